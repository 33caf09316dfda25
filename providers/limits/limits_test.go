//go:build unix

package limits

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestMet(t *testing.T) {
	for _, c := range []struct {
		err    error
		says   string // "" is none
		reason string
	}{
		{nil, "", "nothing failed"},
		{syscall.ECONNREFUSED, "", "the host's"},
		{context.DeadlineExceeded, "", "nobody's"},
		{fs.ErrNotExist, "", "a file that is not there"},
		{dialing(syscall.EMFILE), "open files, and all are in use", "this process has no descriptor left"},
		{dialing(syscall.ENFILE), "kernel allows", "nobody on this machine has"},
		{dialing(syscall.EADDRNOTAVAIL), "no free port", "every local port is taken"},
		{dialing(syscall.ENOMEM), "no memory", "sockets need some"},
		{dialing(syscall.ENOBUFS), "no memory", "the same"},
		{fmt.Errorf("look: %w", met(ports, syscall.EADDRNOTAVAIL)), "no free port", "it was judged already"},
		{&net.DNSError{Err: "dial udp 192.0.2.1:53: socket: too many open files", Name: "relay01"}, "all are in use", "the resolver keeps a text only"},
		{&net.DNSError{Err: "no such host", Name: "relay01", IsNotFound: true}, "", "the name is the matter, for files can be opened"},
	} {
		got := Met(c.err)
		if c.says == "" && got != nil || c.says != "" && (got == nil || !strings.Contains(got.Error(), c.says) || got.Hint() == "") {
			t.Errorf("Met(%v) is %v, want %q: %s", c.err, got, c.says, c.reason)
		}
	}
	text := errors.New("[Root cause: Networking_Error] dial udp: socket: too many open files in system")
	if Met(text) != nil {
		t.Error("Met reads texts: what a stranger writes would be a limit of this machine")
	}
	if e := Told(text); e == nil || e.kind != system {
		t.Errorf("Told(%v) is %v", text, e)
	}
}

func dialing(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", errno)}
}

func TestRoom(t *testing.T) {
	for _, c := range []struct {
		room   Room
		files  uint64
		want   int // 0: refused
		reason string
	}{
		{Room{Hosts: 102, Parallel: 200}, 1024, 200, "there is room"},
		{Room{Hosts: 102, Parallel: 200}, 90, 25, "a look closes what it has looked at: fewer at once"},
		{Room{Hosts: 102, Parallel: 200, Stay: true}, 90, 0, "what follows the look needs all connections"},
		{Room{Hosts: 102, Parallel: 200, Stay: true}, 200, 58, "all are connected, but not all at once"},
		{Room{Hosts: 10002, Parallel: 200, Stay: true}, 1024, 0, "a fleet"},
		{Room{Hosts: 2, Parallel: 200, Stay: true}, 90, 200, "two hosts"},
		{Room{Hosts: 2, Parallel: 200}, 40, 0, "nothing fits"},
	} {
		got, err := c.room.Within(c.files)
		if got != c.want || (err == nil) != (c.want > 0) {
			t.Errorf("%+v within %d: %d, %v; want %d: %s", c.room, c.files, got, err, c.want, c.reason)
		}
	}
}

// asFull makes the test binary a process that has all the files open that it may.
const asFull = "MESHROTATE_TEST_AS_FULL"

// TestFull fills a real process with open files, and then asks what a dial, a look-up and a file fail with.
func TestFull(t *testing.T) {
	if os.Getenv(asFull) != "" {
		full()
		return
	}
	cmd := exec.Command("sh", "-c", `ulimit -n 32 && exec "$0" -test.run='^TestFull$'`, os.Args[0])
	cmd.Env = append(os.Environ(), asFull+"=1")
	out, err := cmd.CombinedOutput()
	want := "this machine allows 32 open files, and all are in use\n"
	if err != nil || !strings.HasPrefix(string(out), strings.Repeat(want, 3)) {
		t.Errorf("%v\n%s", err, out)
	}
}

func full() {
	_, dialed := net.Dial("tcp", "127.0.0.1:1") // what the runtime itself opens is open now
	if Met(dialed) != nil {
		fmt.Println("a refused connection is no limit:", dialed)
	}
	var held []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			fmt.Println(Met(err))
			break
		}
		held = append(held, f)
	}
	_, err := net.Dial("tcp", "127.0.0.1:1")
	fmt.Println(Met(err))
	_, err = net.LookupHost("relay01.lab.example")
	fmt.Println(Met(err))
	_ = held[len(held)-1].Close()
}
