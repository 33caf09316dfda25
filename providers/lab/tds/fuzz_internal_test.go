package tds

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"meshrotate/providers/lab/sqlserver"
)

// What strangers send ends the connection, or is answered with an error; it never ends the lab.
func FuzzMessages(f *testing.F) {
	f.Add(byte(packBatch), append([]byte{4, 0, 0, 0}, toUTF16("SELECT 1")...))
	f.Add(byte(packCall), []byte{4, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0, 0, 0, typNVarChar, 8, 0, 9, 4, 0xd0, 0, 0x34, 2, 0, 'x', 0})
	f.Add(byte(packTM), []byte{4, 0, 0, 0, 5, 0, 0, 0})
	f.Add(byte(packLogin), make([]byte, loginFixed))
	f.Add(byte(packPrelogin), prelogin(encOn, nil))
	f.Fuzz(func(t *testing.T, kind byte, body []byte) {
		_, _ = parseLogin(body)
		_, _ = readPrelogin(body)
		parseCalls(&reader{b: body})
		m := sqlserver.New(sqlserver.Config{})
		defer m.Data().Close()
		m.SetLogin("u", func(l *sqlserver.Login) { l.Password = "p" })
		session, err := m.Login(sqlserver.Client{User: "u", Password: "p"})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		ours, theirs := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, ours) }()
		defer func() { _ = ours.Close() }()
		s := &Server{Instance: m}
		c := &conn{s: s, instance: m, raw: theirs, nc: theirs, size: defaultPacket, login: &login{version: version73B}, session: session}
		c.life, c.end = context.WithTimeout(t.Context(), 5*time.Second)
		defer c.end()
		c.request(message{kind: kind, body: body})
	})
}
