package lab

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"meshrotate/providers/adminapi"
	"meshrotate/providers/lab/direct"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// memoryAddress is where nothing listens: who dials it without a Client is refused.
const memoryAddress = "127.0.0.1:1"

// Client is one process that talks to a lab without a wire. What it asks for passes the hooks of Host.Wire and
// Lab.WireAPI, as over a wire.
type Client struct {
	// Name is told with every event of its requests, so that two processes can be told apart. Set it before the first.
	Name string
	// Idle is how long its shells may be idle; 0 is 180 s.
	Idle time.Duration

	lab  *Lab
	life context.Context
	end  context.CancelFunc

	mu     sync.Mutex
	dialed map[string]int // by host
}

// Client makes a process. It needs no end but Kill's.
func (l *Lab) Client() *Client {
	c := &Client{lab: l, dialed: map[string]int{}}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

// Kill ends the process as kill -9 does: its connections are gone, and nothing that it still tries has an effect. What
// it had asked for goes on to its end, on the hosts and in Admin; its shells are left behind. A hook may call it: the
// request that it was asked about is not sent then, unless the hook answers with a fault that comes after the effect.
func (c *Client) Kill() { c.end() }

// Shell is an open connection to a host.
type Shell interface {
	winhost.Starter
	// Close ends whatever still runs in it.
	Close(ctx context.Context) error
}

// Dial opens a shell on a host. Its errors are those of package winrm.
func (c *Client) Dial(ctx context.Context, host string) (Shell, error) {
	h := c.lab.Host(host)
	if h == nil {
		return nil, direct.Unreachable(host, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true})
	}
	end := h.server.Direct(c.life, Domain+`\`+User)
	c.mu.Lock()
	c.dialed[h.Name]++
	end.Name, end.Number = c.Name, c.dialed[h.Name]
	c.mu.Unlock()
	s, err := direct.Open(ctx, h.Name, end, cmp.Or(c.Idle, 180*time.Second))
	if err != nil {
		return nil, err
	}
	return s, nil
}

// API is how this process calls the Admin API of a lab in memory.
func (c *Client) API() adminapi.Config {
	return adminapi.Config{URL: c.lab.URL(), Auth: adminapi.Auth{Bearer: secret.NewString(c.lab.Password)}, DialContext: c.DialAPI}
}

// DialAPI connects to the Admin API of a lab in memory, whatever the address says.
func (c *Client) DialAPI(ctx context.Context, network, address string) (net.Conn, error) {
	refused := &net.OpError{Op: "dial", Net: network, Addr: memoryAddr{}, Err: syscall.ECONNREFUSED}
	if c.life.Err() != nil {
		return nil, refused
	}
	f := c.lab.apiEvent(c.Name, wsman.Connect)
	if !stall(ctx, f) {
		return nil, ctx.Err()
	}
	ln, ok := c.lab.gate.Listener.(*memoryListener)
	if !ok || f.Kind != wsman.None || c.life.Err() != nil || !c.lab.adminUp() {
		return nil, refused
	}
	ours, theirs := net.Pipe()
	server := &memoryConn{Conn: theirs, client: c, life: c.life, reset: new(atomic.Bool)}
	select {
	case ln.accept <- server:
	case <-ln.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	stop := context.AfterFunc(c.life, func() { _ = ours.Close() })
	return &memoryConn{Conn: ours, life: c.life, reset: server.reset, stop: stop}, nil
}

// memoryConn is an end of a connection. A pipe knows nothing of resets: a closed one is an end, or an end in ours.
type memoryConn struct {
	net.Conn
	client *Client         // nil on its own side
	life   context.Context // the client's
	reset  *atomic.Bool
	stop   func() bool // nil on the server's side
}

func (c *memoryConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	return n, c.explain("read", err)
}

func (c *memoryConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	return n, c.explain("write", err)
}

func (c *memoryConn) explain(op string, err error) error {
	switch {
	case err == nil || c.stop == nil:
	case c.reset.Load():
		return &net.OpError{Op: op, Net: "tcp", Addr: memoryAddr{}, Err: syscall.ECONNRESET}
	case op == "write" && errors.Is(err, io.ErrClosedPipe):
		return &net.OpError{Op: op, Net: "tcp", Addr: memoryAddr{}, Err: syscall.EPIPE}
	}
	return err
}

func (c *memoryConn) Close() error {
	if c.stop != nil {
		c.stop()
	}
	return c.Conn.Close()
}

type memoryAddr struct{}

func (memoryAddr) Network() string { return "tcp" }
func (memoryAddr) String() string  { return memoryAddress }

// memoryListener hands over what a Client dials.
type memoryListener struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{accept: make(chan net.Conn), closed: make(chan struct{})}
}

func (ln *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-ln.accept:
		return c, nil
	case <-ln.closed:
		return nil, net.ErrClosed
	}
}

func (ln *memoryListener) Close() error {
	ln.once.Do(func() { close(ln.closed) })
	return nil
}

func (ln *memoryListener) Addr() net.Addr { return memoryAddr{} }
