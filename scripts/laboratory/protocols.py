"""The three kinds of share: how a client mounts one with default options, and how its server is stopped and started."""


class Nfs:
    """The kernel's own server and client; `hard` is the default, so that an outage blocks and nothing fails."""

    role, port = "nfs", 2049
    # What the server acknowledged must survive a power cut; knfsd sees to it where the export says `sync`.
    disk_options = "defaults"

    def __init__(self, name, version, source):
        self.name, self.version, self.source = name, version, source

    def mount(self, client):
        if self.version == "3":
            client.shell("pgrep -x rpcbind || rpcbind -w; pgrep -x rpc.statd || rpc.statd")
        client.shell(f"mount -t nfs -o vers={self.version} {self.source} /mnt/share")

    @staticmethod
    def stop(server):
        server.shell("rpc.nfsd 0")

    @staticmethod
    def start(server):
        server.shell("rpc.nfsd 8")


class Smb:
    """Samba and cifs.ko; `soft` is the default, so that an outage fails with EHOSTDOWN after 10 s."""

    name, role, port = "smb", "smb", 445
    # Samba syncs files when asked and never folders: a rename that it acknowledged is lost in a power cut without this.
    disk_options = "dirsync"

    @staticmethod
    def mount(client):
        user = client.shell("id -un").strip()
        client.shell(f"mount -t cifs -o username={user},password=lab //10.99.0.1/share /mnt/share")

    @staticmethod
    def stop(server):
        server.kill("smbd")

    @staticmethod
    def start(server):
        server.shell("smbd -D")


PROTOCOLS = {
    "nfs3": Nfs("nfs3", "3", "10.99.0.1:/export"),
    "nfs4": Nfs("nfs4", "4.2", "10.99.0.1:/"),
    "smb": Smb(),
}
