package wsman_test

import (
	"net"
	"runtime"
	"testing"

	"meshrotate/providers/lab/wsman"
)

// BenchmarkConversation is one host's whole conversation: login, Create, Command, Send of 15 KB, Receive, Delete. It
// measures both ends; most of the time is the client's.
func BenchmarkConversation(b *testing.B) {
	addr := start(b, &wsman.Server{})
	payload := make([]byte, 15<<10)
	b.ReportAllocs()
	for b.Loop() {
		c := loggedIn(b, addr)
		shell := c.create()
		id := c.command(shell, "slurp")
		c.send(shell, id, payload, true, "PT60S")
		if r := c.drain(shell, id); len(r.stdout) != len(payload) {
			b.Fatal(len(r.stdout))
		}
		c.delete(shell)
		_ = c.conn.Close()
	}
}

// BenchmarkIdleServer reports what one server that nobody talks to costs.
func BenchmarkIdleServer(b *testing.B) {
	const n = 500
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		servers := make([]*wsman.Server, n)
		for i := range servers {
			servers[i] = &wsman.Server{Run: program}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			go func() { _ = servers[i].Serve(ln) }()
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse)/n, "B/server")
		for _, s := range servers {
			_ = s.Close()
		}
	}
}
