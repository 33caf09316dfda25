package engine

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"meshrotate/providers/lab/machine"
	"meshrotate/providers/winhost"
)

// Programs of the product that a host's PowerShell starts are this program, as `lab play`: it asks the lab's model of them, by the
// channel of the process that has started it, and says what that says.
const (
	socketVariable  = "MESHROTATE_LAB_SOCKET"
	programVariable = "MESHROTATE_LAB_PROGRAM"
	plays           = "run" // the word on the channel
	script, tool    = "script", "tool"
)

// Play is such a program: its kind, where it is, and its arguments. It returns its exit code.
func Play(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	code, err := play(args, stdin, stdout)
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	return code
}

func play(args []string, stdin io.Reader, stdout io.Writer) (int, error) {
	const broken = 90
	if len(args) < 2 {
		return broken, errors.New("lab play is for the lab's own hosts")
	}
	kind, path, rest, in := args[0], args[1], args[2:], []byte(nil)
	switch kind {
	case script:
		for _, v := range os.Environ() {
			name, value, _ := strings.Cut(v, "=")
			rest = append(rest, name, value)
		}
	case tool:
		var err error
		if in, err = io.ReadAll(stdin); err == nil && len(rest) == 4 && rest[2] == "--value-file" { // the lab does not know this machine's paths
			in, err = private(rest[3])
			rest = []string{rest[0], rest[1], "--stdin"}
		}
		if err != nil {
			return broken, err
		}
	}
	conn, err := net.Dial("unix", os.Getenv(socketVariable))
	if err != nil {
		return broken, err
	}
	defer func() { _ = conn.Close() }()
	question := append([]string{plays, kind, path, base64.StdEncoding.EncodeToString(in)}, rest...)
	if _, err := io.WriteString(conn, strings.Join(question, "\x00")); err != nil {
		return broken, err
	}
	if err := conn.(*net.UnixConn).CloseWrite(); err != nil {
		return broken, err
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if line, ok := strings.CutPrefix(lines.Text(), ">"); ok {
			fmt.Fprintln(stdout, line)
		} else if code, ok := strings.CutPrefix(lines.Text(), "="); ok {
			return strconv.Atoi(code)
		}
	}
	return broken, errors.New("the lab did not say how it ended")
}

// private reads a file that this account alone may read.
func private(file string) ([]byte, error) {
	stat, err := os.Stat(file)
	if err == nil && stat.Mode().Perm() != 0o600 {
		err = os.ErrPermission
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// plays answers such a program: what it says, a line each after ">", and its exit code after "=". An empty line now and then finds out
// whether anybody listens: it is ended with whoever waits for it.
func (c *channel) plays(ctx context.Context, conn net.Conn, args []string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out := &told{conn: conn, gone: cancel}
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	go func() {
		for {
			select {
			case <-ticker.C:
				out.send("\n")
			case <-ctx.Done():
				return
			}
		}
	}()
	out.send(fmt.Sprintf("=%d\n", c.play(ctx, args, out)))
}

func (c *channel) play(ctx context.Context, args []string, out io.Writer) uint32 {
	if len(args) < 3 {
		return 1
	}
	is := c.means(args[1])
	kind, rest := args[0], args[3:]
	if kind == tool {
		in, err := base64.StdEncoding.DecodeString(args[2])
		run := c.machine.ToolAt(is)
		if err != nil || run == nil {
			return 1
		}
		if c.machine.AuditsCommandLines {
			record(c.machine, "4688", fmt.Sprintf("%q %q", args[1], rest))
		}
		return run(ctx, rest, bytes.NewReader(in), out)
	}
	env := map[string]string{}
	for i := 0; i+1 < len(rest); i += 2 {
		env[rest[i]] = rest[i+1]
	}
	if c.stored != nil {
		c.stored()
	}
	code, ok := c.machine.RunScript(ctx, is, env, out)
	if !ok {
		return 1
	}
	return code
}

// means says of a path of the machine that it is this file.
func (c *channel) means(file string) func(path string) bool {
	return func(path string) bool { return strings.EqualFold(c.path(path)[0], file) }
}

// told passes lines on to whoever waits for a program.
type told struct {
	mu   sync.Mutex
	conn net.Conn
	rest []byte
	gone func()
}

func (t *told) send(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := io.WriteString(t.conn, text); err != nil {
		t.gone()
	}
}

func (t *told) Write(b []byte) (int, error) {
	t.rest = append(t.rest, b...)
	for {
		line, rest, whole := bytes.Cut(t.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		t.rest = rest
		t.send(">" + strings.TrimRight(string(line), "\r") + "\n")
	}
}

// home is the home folder of the processes of a host whose disk is this folder. .NET keeps a user's stores of certificates below it: each
// host has its own, so nothing gets into those of whoever runs the lab.
func home(disk string) string { return disk + ".home" }

// stored lets the machine's model know which certificates .NET has put into a store, with their keys: each is a file with its thumbprint
// as its name.
func stored(m *machine.Machine, home, store string) {
	_, name, _ := strings.Cut(store, `\`)
	files, _ := os.ReadDir(filepath.Join(home, ".dotnet/corefx/cryptography/x509stores", strings.ToLower(name))) // no folder: nothing was put there
	for _, f := range files {
		if sha1, ok := strings.CutSuffix(f.Name(), ".pfx"); ok && !m.CanSign(store, sha1) {
			m.Store(store, winhost.StoredCertificate{SHA1: sha1, HasKey: true})
		}
	}
}

// place puts the machine's tools on its disk, as programs that play them, and takes away those that it has no more.
func (e *Pwsh) place(m *machine.Machine) error {
	for path, there := range m.Tools() {
		file := m.FS.(disk).Local(path)
		if !there {
			if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
				return err
			}
			continue
		}
		if _, err := os.Stat(file); err == nil {
			continue
		}
		text := fmt.Sprintf("#!/bin/sh\nexec '%s' lab play tool \"$0\" \"$@\"\n", e.self)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
			return err
		}
	}
	return nil
}
