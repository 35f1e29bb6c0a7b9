// Two TURN clients of pion, the WebRTC library in Go: one echoes what the other sends it, each through
// an allocation of its own. A relayed address is a peer that every profile lets a client reach.
//
//	pion SERVER_IP PORT udp|tcp USER PASSWORD
package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/pion/turn/v2"
)

const (
	messages = 50
	limit    = 20 * time.Second
)

func main() {
	if len(os.Args) != 6 {
		fail(fmt.Errorf("usage: pion SERVER_IP PORT udp|tcp USER PASSWORD"))
	}
	time.AfterFunc(limit, func() { fail(fmt.Errorf("not done within %v", limit)) })
	server, transport := net.JoinHostPort(os.Args[1], os.Args[2]), os.Args[3]
	if err := run(server, transport, os.Args[4], os.Args[5]); err != nil {
		fail(err)
	}
	fmt.Printf("%d messages echoed\n", messages)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func run(server, transport, user, password string) error {
	_, caller, err := allocate(server, transport, user, password)
	if err != nil {
		return fmt.Errorf("caller: %w", err)
	}
	client, callee, err := allocate(server, transport, user, password)
	if err != nil {
		return fmt.Errorf("callee: %w", err)
	}
	// What the caller sends it, it sends with a permission made on the way.
	if err := client.CreatePermission(caller.LocalAddr()); err != nil {
		return fmt.Errorf("callee: permission: %w", err)
	}
	go echo(callee)
	if err := ping(caller, callee.LocalAddr()); err != nil {
		return err
	}
	for _, relay := range []net.PacketConn{caller, callee} {
		if err := relay.Close(); err != nil {
			return fmt.Errorf("end of an allocation: %w", err)
		}
	}
	return nil
}

func allocate(server, transport, user, password string) (*turn.Client, net.PacketConn, error) {
	socket, err := connect(server, transport)
	if err != nil {
		return nil, nil, err
	}
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server,
		TURNServerAddr: server,
		Conn:           socket,
		Username:       user,
		Password:       password,
	})
	if err != nil {
		return nil, nil, err
	}
	if err := client.Listen(); err != nil {
		return nil, nil, err
	}
	relay, err := client.Allocate()
	return client, relay, err
}

func connect(server, transport string) (net.PacketConn, error) {
	if transport == "udp" {
		return net.ListenPacket("udp4", "0.0.0.0:0")
	}
	stream, err := net.Dial("tcp", server)
	if err != nil {
		return nil, err
	}
	return turn.NewSTUNConn(stream), nil
}

// The first messages go as indications. The channel is bound beside them and takes the rest.
func ping(relay net.PacketConn, peer net.Addr) error {
	buffer := make([]byte, 1500)
	for number := 0; number < messages; number++ {
		message := bytes.Repeat([]byte{'.'}, 1000)
		copy(message, fmt.Sprintf("ping %d", number))
		if _, err := relay.WriteTo(message, peer); err != nil {
			return err
		}
		length, from, err := relay.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if from.String() != peer.String() || !bytes.Equal(buffer[:length], message) {
			return fmt.Errorf("another message came back, from %v", from)
		}
	}
	return nil
}

func echo(relay net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		length, from, err := relay.ReadFrom(buffer)
		if err != nil {
			return
		}
		if _, err := relay.WriteTo(buffer[:length], from); err != nil {
			fail(fmt.Errorf("echo: %w", err))
		}
	}
}
