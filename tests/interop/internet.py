"""A pretend internet of 10.x networks, with hosts behind NATs and the server behind another.

    a      192.168.1.2 -- nat_a      10.1.0.2 --+        +-- 10.3.0.2 peer
    b      172.16.2.2  -- nat_b      10.2.0.2 --+- core -+
    server 192.168.4.2 -- nat_server 10.4.0.2 --+        +-- 10.5.0.2 stranger
"""

from namespaces import Host

PEER_IP = "10.3.0.2"
STRANGER_IP = "10.5.0.2"
PUBLIC_IP = "10.4.0.2"
PRIVATE_IP = "192.168.4.2"

# What nobody inside asked for does not pass. An interface is named after the host at its other end.
CLIENT_NAT = """
table ip nat {
    chain leaving {
        type nat hook postrouting priority srcnat
        oifname core masquerade
    }
    chain passing {
        type filter hook forward priority filter
        iifname core ct state new drop
    }
}
"""

# One to one, and no hairpin: the public address means nothing on the server's own side.
SERVER_NAT = f"""
table ip nat {{
    chain arriving {{
        type nat hook prerouting priority dstnat
        iifname core ip daddr {PUBLIC_IP} dnat to {PRIVATE_IP}
    }}
    chain leaving {{
        type nat hook postrouting priority srcnat
        oifname core ip saddr {PRIVATE_IP} snat to {PUBLIC_IP}
    }}
    chain hairpin {{
        type filter hook input priority filter
        iifname server ip daddr {PUBLIC_IP} drop
    }}
}}
"""


class Internet:
    def __init__(self):
        self._core = Host("core")
        self._core.forward()
        self.a = self._behind_nat("a", "192.168.1", "10.1.0", CLIENT_NAT)
        self.b = self._behind_nat("b", "172.16.2", "10.2.0", CLIENT_NAT)
        self.server = self._behind_nat("server", "192.168.4", "10.4.0", SERVER_NAT)
        self.peer = self._on_the_core("peer", "10.3.0")
        self.stranger = self._on_the_core("stranger", "10.5.0")

    def _on_the_core(self, name: str, network: str) -> Host:
        host = Host(name)
        self._core.link(f"{network}.1/24", host, f"{network}.2/24")
        host.default_route(f"{network}.1")
        return host

    def _behind_nat(self, name: str, network: str, outer_network: str, rules: str) -> Host:
        router = self._on_the_core(f"nat_{name}", outer_network)
        router.forward()
        router.firewall(rules)
        host = Host(name)
        router.link(f"{network}.1/24", host, f"{network}.2/24")
        host.default_route(f"{network}.1")
        return host
