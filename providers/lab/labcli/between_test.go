package labcli_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
)

// between is a process between the program and a host, when this one was started as one: it can be stopped as a whole, and then
// connects and answers no more, as a host that hangs.
func between() bool {
	to := os.Getenv("MESHROTATE_TEST_BETWEEN")
	if to == "" {
		return false
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString(ln.Addr().String() + "\n")
	for {
		near, err := ln.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			far, err := net.Dial("tcp", to)
			if err == nil {
				go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
				_, _ = io.Copy(near, far)
			}
			_ = near.Close()
		}()
	}
}

// between puts such a process before a host.
func (w *world) between(host string) *os.Process {
	w.t.Helper()
	text, err := os.ReadFile(w.dir + "/meshrotate.yaml")
	must(w.t, err)
	_, after, _ := strings.Cut(string(text), "    "+host+`: {address: "`)
	address, _, _ := strings.Cut(after, `"`)
	self, err := os.Executable()
	must(w.t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "MESHROTATE_TEST_BETWEEN="+address)
	out, err := cmd.StdoutPipe()
	must(w.t, err)
	must(w.t, cmd.Start())
	w.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	must(w.t, err)
	w.rewrite(`"`+address+`"`, `"`+strings.TrimSpace(line)+`"`)
	return cmd.Process
}
