"""What the laboratory needs of this machine: a few Debian packages and the programs, built for release."""
import os
import shutil
import subprocess
import sys

# A program of each package that is needed, by which its absence is seen.
PACKAGES = {
    "linux.uml": "user-mode-linux", "rpc.nfsd": "nfs-kernel-server", "mount.nfs": "nfs-common", "rpcbind": "rpcbind",
    "smbd": "samba", "mount.cifs": "cifs-utils", "insmod": "kmod", "ip": "iproute2", "mkfs.ext4": "e2fsprogs",
    "unshare": "util-linux", "nft": "nftables",
}
POLICY = "/usr/sbin/policy-rc.d"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def missing():
    return sorted({package for program, package in PACKAGES.items() if not shutil.which(program, path=PATH)})


def check():
    """Installs what is missing, and ends where this machine cannot do it."""
    if os.geteuid() != 0:
        sys.exit("lab: error: only root can boot guests and lay cables")
    if not os.path.exists("/dev/net/tun"):
        sys.exit("lab: error: there is no /dev/net/tun")
    os.environ["PATH"] = f"{PATH}:{os.environ.get('PATH', '')}"
    if missing():
        install(missing())


def install(packages):
    """Installs packages and lets none of their services start on this machine (see policy-rc.d, invoke-rc.d(8))."""
    print(f"installing: {' '.join(packages)}", flush=True)
    ours = not os.path.exists(POLICY)
    if ours:
        with open(POLICY, "w", encoding="ascii") as policy:
            policy.write("#!/bin/sh\nexit 101\n")
        os.chmod(POLICY, 0o755)
    try:
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        quiet = {"env": env, "check": True, "stdout": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-q"], **quiet)
        subprocess.run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages], **quiet)
    finally:
        if ours:
            os.remove(POLICY)


def build(root, target):
    """Builds the program, which is all of them by its name, and returns where it is."""
    subprocess.run(["cargo", "build", "--quiet", "--release", "--locked", "--bin", "dispatch"], cwd=root, check=True)
    return target / "release"


if __name__ == "__main__":
    check()
