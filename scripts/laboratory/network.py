"""The cables: one bridge, and a tap for each guest, in a network namespace that nothing else is in."""
import socket
import struct
import subprocess
import time


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Network:
    """The bridge and what is done to the traffic on it."""

    def __init__(self):
        self.plugged = set()
        ip("link", "set", "lo", "up")
        ip("link", "add", "br0", "type", "bridge")
        ip("address", "add", "10.99.0.254/24", "dev", "br0")
        ip("link", "set", "br0", "up")

    def plug(self, name):
        """Lays the cable of a guest, once."""
        if name not in self.plugged:
            ip("tuntap", "add", "dev", f"tap{name}", "mode", "tap")
            ip("link", "set", f"tap{name}", "master", "br0", "up")
            self.plugged.add(name)

    @staticmethod
    def silence(server, client, port):
        """Drops what the server answers to a client, until `speak`. What the client sends still arrives and is done."""
        rule = f"ether type ip ip saddr {server} ip daddr {client} tcp sport {port} drop"
        subprocess.run(["nft", "add table bridge lab; "
                        "add chain bridge lab cut { type filter hook forward priority 0; }; "
                        f"add rule bridge lab cut {rule}"], check=True)

    @staticmethod
    def speak():
        """Lets answers through again."""
        subprocess.run(["nft", "delete table bridge lab"], check=True)

    @staticmethod
    def reset(name, client, port, limit):
        """Answers the next segment that a client sends to the server with a forged reset; True where one was sent.

        The connection is then gone for the client, and with it the answers that it waits for: it sends its requests again
        over a new one, and the server does them a second time, or knows them.
        """
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:
            wire.bind((f"tap{name}", 0))
            wire.settimeout(0.5)
            until = time.monotonic() + limit
            while time.monotonic() < until:
                try:
                    frame = wire.recv(65536)
                except socket.timeout:
                    continue
                answer = forged_reset(frame, client, port)
                if answer:
                    wire.send(answer)
                    return True
        return False


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    total += total >> 16
    return struct.pack("!H", ~total & 0xFFFF)


def forged_reset(frame, client, port):
    """Returns the frame that resets the connection of a segment from the client to the port, or None (RFC 9293, 3.5.2)."""
    if frame[12:14] != b"\x08\0" or frame[23] != socket.IPPROTO_TCP:
        return None
    header = (frame[14] & 15) * 4
    packet, segment = frame[14:14 + header], frame[14 + header:]
    source, target, _, expected, _, flags = struct.unpack("!HHIIBB", segment[:14])
    acknowledges, resets = flags & 16, flags & 4
    if socket.inet_ntoa(packet[12:16]) != client or target != port or not acknowledges or resets:
        return None
    there, back = packet[12:16], packet[16:20]
    tcp = struct.pack("!HHIIBBHHH", target, source, expected, 0, 5 << 4, 4, 0, 0, 0)
    pseudo = back + there + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
    tcp = tcp[:16] + checksum(pseudo + tcp) + tcp[18:]
    top = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, socket.IPPROTO_TCP, 0) + back + there
    top = top[:10] + checksum(top) + top[12:]
    return frame[6:12] + frame[0:6] + b"\x08\0" + top + tcp
