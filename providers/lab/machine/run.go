package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"meshrotate/providers/winhost"
)

// Run is a process on the machine: what WinRM starts when it is asked for a command line. It returns the exit code.
// When the context ends, the caller closes stdin, and Run returns 1.
//
// It knows the command line of package winhost, and a few of cmd's. Anything else fails.
func (m *Machine) Run(ctx context.Context, commandLine string, stdin io.Reader, stdout, stderr io.Writer) uint32 {
	if winhost.IsCommandLine(commandLine) {
		m.record("4688", sharedLine(commandLine))
		return m.powershell(ctx, stdin, stdout)
	}
	m.record("4688", commandLine)
	word, rest, _ := strings.Cut(strings.TrimSpace(commandLine), " ")
	var text string
	switch strings.ToLower(word) {
	case "echo":
		text = rest
	case "hostname":
		text = m.Name
	case "ver":
		text = "Microsoft Windows [Version " + osVersion + "]"
	default:
		text := fmt.Sprintf("'%s' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n", word)
		m.record("stderr", text)
		_, _ = io.WriteString(stderr, text)
		return 1
	}
	_, _ = io.WriteString(stdout, text+"\r\n")
	return 0
}

const osVersion = "10.0.20348.0"

// sharedLine is the same string for every machine, where the line is the usual one.
func sharedLine(line string) string {
	if usual := winhost.CommandLine(""); line == usual {
		return usual
	}
	return line
}

// conversation is one PowerShell process.
type conversation struct {
	m      *Machine
	ctx    context.Context
	stdout io.Writer
	number int
	noise  string
	end    End
	known  lists // of the request
}

// exit codes, as the bootstrap and the script give them.
const (
	exitFault    = 1
	exitLanguage = 73
	exitScript   = 75
	exitFrame    = 76
)

func (m *Machine) powershell(ctx context.Context, stdin io.Reader, stdout io.Writer) uint32 {
	c := &conversation{m: m, ctx: ctx, stdout: stdout, number: m.nextScript()}
	if !Pause(ctx, m.PowerShellStart) {
		return exitFault
	}
	c.strike(Point{Op: "start", When: Before})
	if c.end != EndNone {
		return exitFault
	}
	m.record("4104", winhost.Bootstrap())
	if m.isConfined() {
		return exitLanguage
	}
	switch err := winhost.ReadScript(stdin); {
	case errors.Is(err, winhost.ErrScript):
		return exitScript
	case err != nil:
		return exitFrame
	}
	m.record("4104", winhost.Script())
	for {
		frame, err := winhost.ReadFrame(stdin)
		if errors.Is(err, io.EOF) {
			return 0
		}
		if err != nil {
			return exitFrame
		}
		if !c.serve(frame) {
			return exitFault
		}
	}
}

// serve answers one request. It returns false when the process ends over it.
func (c *conversation) serve(frame winhost.Frame) bool {
	c.m.record("4103", string(frame.JSON))
	ops, all, err := winhost.DecodeRequest(frame)
	if err != nil {
		return false
	}
	received, results := c.m.now().UTC(), make([]winhost.Result, len(ops))
	failed := false
	c.known = lists{}
	for i, op := range ops {
		if failed && !all {
			results[i] = winhost.Result{Code: winhost.Skipped}
			continue
		}
		results[i] = c.try(op, frame.Nonce)
		if s := results[i].Service; s != nil && !s.Begin.IsZero() {
			s.Received = received
		}
		if c.end == EndCrash || c.end == EndHang {
			return false
		}
		failed = failed || !results[i].Done()
	}
	answer, err := winhost.EncodeReply(frame.Nonce, results)
	if err != nil {
		return false
	}
	reply, err := answer.Append([]byte(c.noise))
	if err != nil {
		return false
	}
	c.noise = ""
	if c.end == EndCut {
		_, _ = c.stdout.Write(reply[:len(reply)-len(reply)/3-1])
		return false
	}
	_, err = c.stdout.Write(reply)
	return err == nil
}

// try does one op, with the faults around it.
func (c *conversation) try(op winhost.Op, nonce [winhost.NonceSize]byte) winhost.Result {
	if fail := c.strike(Point{Op: op.Name(), Object: op.Object(), When: Before}); fail != 0 {
		return failure(fail, "injected")
	}
	if c.end == EndCrash || c.end == EndHang {
		return winhost.Result{}
	}
	result := c.m.do(c.ctx, op, c.known, func(line string) { c.say(nonce, line) })
	if fail := c.strike(Point{Op: op.Name(), Object: op.Object(), When: After}); fail != 0 {
		return failure(fail, "injected")
	}
	return result
}

// say tells a line of an op under way.
func (c *conversation) say(nonce [winhost.NonceSize]byte, line string) {
	f, err := winhost.EncodeSaid(nonce, []string{line})
	if err != nil {
		return
	}
	if b, err := f.Append(nil); err == nil {
		_, _ = c.stdout.Write(b)
	}
}

// strike asks the hook, and does what it says as far as that does not concern the op's result.
func (c *conversation) strike(p Point) Errno {
	if c.m.Hook == nil {
		return 0
	}
	p.Process = c.number
	a := c.m.Hook(p)
	Pause(c.ctx, a.Delay)
	c.noise += a.Noise
	if a.End != EndNone {
		c.end = a.End
	}
	if a.End == EndHang {
		<-c.ctx.Done()
	}
	if c.ctx.Err() != nil { // killed meanwhile: it does nothing more
		c.end = EndCrash
	}
	return a.Fail
}

func (m *Machine) isConfined() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.confined
}

func (m *Machine) nextScript() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scripts++
	return m.scripts
}

// Pause waits, and returns false when the context ended first.
func Pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
