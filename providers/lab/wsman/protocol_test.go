package wsman_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/masterzen/winrm"

	"meshrotate/providers/lab/wsman"
)

// TestEnvelope alters good messages: each case names what Windows would object to.
func TestEnvelope(t *testing.T) {
	addr := start(t, &wsman.Server{})
	c := loggedIn(t, addr)
	shell := c.create()
	create := winrm.NewOpenShellRequest("http://host:5985/wsman", params("PT60S")).String()
	command := winrm.NewExecuteCommandRequest("u", shell, "echo x", nil, params("PT60S")).String()
	receive := winrm.NewGetOutputRequest("u", shell, "0", "stdout stderr", params("PT60S")).String()
	const soapNS = "http://www.w3.org/2003/05/soap-envelope"
	cases := []struct {
		reason, message string
		old, new        string
		code            uint32
	}{
		{"an unknown action", create, "transfer/Create", "transfer/Make", 2150858753},
		{"another resource", create, "windows/shell/cmd", "windows/shell/sh", 2150858811},
		{"no message id", create, "a:MessageID>", "a:MessageName>", 2150858769},
		{"no destination", create, "a:To>", "a:Too>", 2150858769},
		{"no action", create, "a:Action", "a:Reaction", 2150858769},
		{"the answer is to go elsewhere", create, "role/anonymous", "role/other", 2150858767},
		{"a timeout in plain seconds is no xs:duration", create, ">PT60S<", ">60<", 2150858881},
		{"a timeout in milliseconds is no xs:duration", create, ">PT60S<", ">PT60MS<", 2150858881},
		{"an envelope size below the minimum", create, ">512000<", ">4096<", 2150858878},
		{"a header that must be understood and is not", create, "<a:To>", `<a:What env:mustUnderstand="true"/><a:To>`, 2150858768},
		{"the same attribute in no namespace means nothing", create, "<a:To>", `<a:What mustUnderstand="true"/><a:To>`, 0},
		{"SOAP 1.1", create, soapNS, "http://schemas.xmlsoap.org/soap/envelope/", 2150858765},
		{"not well-formed", create, "</env:Envelope>", "</env:Envelop>", 2150858819},
		{"a document type", create, "<env:Envelope", "<!DOCTYPE x><env:Envelope", 2150858819},
		{"an undeclared prefix", create, "<a:To>", "<zz:To>", 2150858819},
		{"an unknown element in Shell", create, "rsp:InputStreams>", "rsp:Streams>", 2150858817},
		{"no shell selector", command, `Name="ShellId"`, `Name="Shell"`, 2150858843},
		{"an unknown shell", command, shell, "00000000-0000-0000-0000-000000000000", 2150858843},
		{"an option that is no boolean", command, ">TRUE<", ">maybe<", 2150858835},
		{"skipping cmd.exe wants a full path", command, `Name="WINRS_SKIP_CMD_SHELL">FALSE`, `Name="WINRS_SKIP_CMD_SHELL">TRUE`, 2147942402},
		{"a code page that is no number", create, ">65001<", ">UTF-8<", 2150858835},
		{"another body than the action's", command, "rsp:CommandLine>", "rsp:Line>", 2150858791},
		{"Receive without a command", receive, ` CommandId="0"`, ``, 87},
		{"Receive for an unknown command", receive, ``, ``, 2150858843},
		{"Receive of an unknown stream", receive, `>stdout stderr<`, `>stdlog<`, 2150859149},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			altered := strings.ReplaceAll(tc.message, tc.old, tc.new)
			if altered == tc.message && tc.old != "" {
				t.Fatalf("%q is not in %s", tc.old, tc.message)
			}
			a := c.must(altered)
			if a.code() != tc.code || tc.code != 0 && a.status != http.StatusInternalServerError {
				t.Errorf("code %d, status %d, want %d: %s", a.code(), a.status, tc.code, a.text)
			}
		})
	}
}

// TestTransport is about messages that get no SOAP answer.
func TestTransport(t *testing.T) {
	addr := start(t, &wsman.Server{})
	good := winrm.NewOpenShellRequest("http://host:5985/wsman", params("PT60S")).String()
	cases := []struct {
		reason string
		send   func(c *client) (int, error)
		status int
	}{
		{"nothing without a login", func(c *client) (int, error) {
			a, err := dial(t, addr, nil).clear("", good)
			return a.status, err
		}, 401},
		{"a body that is not sealed", func(c *client) (int, error) {
			a, err := c.clear("", good)
			return a.status, err
		}, 500},
		{"over 500 KB", func(c *client) (int, error) {
			resp, _, err := c.raw(sealedType, "", make([]byte, 600_000))
			return resp.StatusCode, err
		}, 413},
		{"sealed and 500 KB and a bit", func(c *client) (int, error) {
			resp, _, err := c.raw(sealedType, "", c.seal(strings.Repeat("x", 512_001)))
			return resp.StatusCode, err
		}, 413},
		{"a spoilt signature", func(c *client) (int, error) {
			b := c.seal(good)
			b[strings.Index(string(b), "octet-stream")+30] ^= 1
			resp, _, err := c.raw(sealedType, "", b)
			return resp.StatusCode, err
		}, 400},
		{"a part header without its tab", func(c *client) (int, error) {
			resp, _, err := c.raw(sealedType, "", []byte(strings.Replace(string(c.seal(good)), "\tOriginal", "Original", 1)))
			return resp.StatusCode, err
		}, 400},
		{"the length of the wrong text", func(c *client) (int, error) {
			resp, _, err := c.raw(sealedType, "", []byte(strings.Replace(string(c.seal(good)), "Length=", "Length=1", 1)))
			return resp.StatusCode, err
		}, 400},
		{"another protocol's multipart", func(c *client) (int, error) {
			resp, _, err := c.raw(strings.Replace(sealedType, "SPNEGO", "Kerberos", 1), "", c.seal(good))
			return resp.StatusCode, err
		}, 400},
	}
	for _, tc := range cases {
		t.Run(tc.reason, func(t *testing.T) {
			status, err := tc.send(loggedIn(t, addr))
			if err != nil || status != tc.status {
				t.Errorf("status %d, %v, want %d", status, err, tc.status)
			}
		})
	}
}

func TestMessageInLastLeg(t *testing.T) {
	c := dial(t, start(t, &wsman.Server{}), nil)
	c.first = winrm.NewOpenShellRequest("u", params("PT60S")).String()
	if status, err := c.login(testUser, testPassword); err != nil || status != http.StatusOK || !strings.Contains(c.opened, "ShellId") {
		t.Errorf("%d, %v: %s", status, err, c.opened)
	}
	c.create() // and the sequence goes on
}

func TestOldKeys(t *testing.T) {
	c := loggedIn(t, start(t, &wsman.Server{}))
	shell := c.create()
	spoilt := c.seal(winrm.NewDeleteShellRequest("u", shell, params("PT60S")).String())
	spoilt[len(spoilt)-60] ^= 1
	if resp, _, err := c.raw(sealedType, "", spoilt); err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Fatalf("%v", err)
	}
	if status, err := c.login(testUser, testPassword); err != nil || status != http.StatusOK {
		t.Fatalf("a new login on the same connection: %d, %v", status, err)
	}
	if r := c.drain(shell, c.command(shell, "echo alive")); string(r.stdout) != "alive\r\n" {
		t.Errorf("the shell did not survive: %q", r.stdout)
	}
}

func TestQuotas(t *testing.T) {
	now := time.Now()
	s := &wsman.Server{Limits: wsman.Limits{OperationsPerUser: 40}, Now: func() time.Time { return now },
		Administrator: func(user string) bool { return user != "other" }}
	addr := start(t, s)
	c := loggedIn(t, addr)
	open := func() *answer { return c.must(winrm.NewOpenShellRequest("u", params("PT60S")).String()) }
	for range 30 {
		c.create()
	}
	if code := open().code(); code != 2150859173 {
		t.Errorf("shell 31: %d", code)
	}
	now = now.Add(181 * time.Second)
	shell := c.create()
	if a := c.must(winrm.NewExecuteCommandRequest("u", "gone", "echo", nil, params("PT60S")).String()); a.code() != 2150858843 {
		t.Errorf("an idle shell: %d", a.code())
	}
	var ids []string
	for range 25 {
		ids = append(ids, c.command(shell, "wait"))
	}
	run := func() uint32 {
		return c.must(winrm.NewExecuteCommandRequest("u", shell, "wait", nil, params("PT60S")).String()).code()
	}
	if code := run(); code != 2150859241 {
		t.Errorf("process 26: %d", code)
	}
	for _, id := range ids[:20] {
		c.signal(shell, id)
	}
	for range 15 {
		c.command(shell, "wait")
	}
	if code := run(); code != 2150859174 {
		t.Errorf("operation 41, after terminate: %d", code)
	}
	c.delete(shell)
	shell = c.create()
	if code := run(); code != 0 {
		t.Errorf("a new shell has its operations back: %d", code)
	}
	other := dial(t, addr, nil)
	if status, err := other.login("other", testPassword); err != nil || status != 200 {
		t.Fatal(status, err)
	}
	if a := other.must(winrm.NewOpenShellRequest("u", params("PT60S")).String()); a.code() != 5 {
		t.Errorf("no administrator: %d", a.code())
	}
	if a := other.delete(shell); a.code() != 2150858843 {
		t.Errorf("another user's shell: %d", a.code())
	}
}

func TestWaiting(t *testing.T) {
	addr := start(t, &wsman.Server{})
	c, second := loggedIn(t, addr), loggedIn(t, addr)
	shell := c.create()
	id := c.command(shell, "wait")
	if a := c.receive(shell, id, "PT0.05S"); a.code() != 2150858793 || a.status != 500 || !strings.Contains(a.text, "w:TimedOut") {
		t.Errorf("Receive without output: %s", a.text)
	}
	half := make([]byte, 200<<10)
	if a := c.send(shell, id, half, false, "PT0.05S"); a.code() != 0 {
		t.Errorf("within the buffer: %d", a.code())
	}
	if a := c.send(shell, id, half, false, "PT0.05S"); a.code() != 2150858793 {
		t.Errorf("beyond the buffer: %d", a.code())
	}
	if a := c.send(shell, id, half, false, "PT0.05S"); a.code() != 170 {
		t.Errorf("while a Send is not finished: %d", a.code())
	}
	got := make(chan *answer, 1)
	twice := winrm.NewGetOutputRequest("u", shell, id, "stdout stderr", params("PT60S")).String()
	go func() {
		a, err := second.call(twice)
		for err == nil && a.code() == 1359 { // the other's was under way
			a, err = second.call(twice)
		}
		if err != nil {
			t.Error(err)
		}
		got <- a
	}()
	for c.must(strings.ReplaceAll(twice, "PT60S", "PT0.02S")).code() != 1359 {
		time.Sleep(time.Millisecond)
	}
	c.signal(shell, id)
	if a := <-got; a == nil || a.code() != 995 {
		t.Errorf("Receive when its command ends: %+v", a)
	}
	if a := c.receive(shell, id, "PT1S"); a.code() != 2150858843 {
		t.Errorf("a terminated command: %d", a.code())
	}
	id = c.command(shell, "cat")
	c.send(shell, id, half, false, "PT5S")
	c.send(shell, id, half, true, "PT5S")
	if r := c.drain(shell, id); len(r.stdout) != 2*len(half) || r.elements < 40 {
		t.Errorf("%d bytes in %d elements", len(r.stdout), r.elements)
	}
	if a := c.receive(shell, id, "PT1S"); a.code() != 2150858843 {
		t.Errorf("Receive after Done: %d", a.code())
	}
}

// TestDeadlock shows that a client which sends everything before it receives hangs with a program that does both.
func TestDeadlock(t *testing.T) {
	c := loggedIn(t, start(t, &wsman.Server{}))
	shell := c.create()
	id := c.command(shell, "cat")
	piece := make([]byte, 300<<10)
	c.send(shell, id, piece, false, "PT0.1S") // fills the output
	if a := c.send(shell, id, piece, false, "PT0.1S"); a.code() != 2150858793 {
		t.Fatalf("code %d", a.code())
	}
	if a := c.receive(shell, id, "PT5S"); a.code() != 0 {
		t.Errorf("receiving resolves it: %d", a.code())
	}
}

func TestClientGone(t *testing.T) {
	came := make(chan struct{})
	var once sync.Once
	addr := start(t, &wsman.Server{Record: func(e wsman.Event) {
		if e.Action == wsman.Receive {
			once.Do(func() { close(came) })
		}
	}})
	c := loggedIn(t, addr)
	shell := c.create()
	id := c.command(shell, "slurp")
	left := loggedIn(t, addr)
	receive := winrm.NewGetOutputRequest("u", shell, id, "stdout stderr", params("PT60S")).String()
	body := left.seal(receive)
	req, _ := http.NewRequest(http.MethodPost, "http://h/wsman", strings.NewReader(string(body)))
	req.Header.Set("Content-Type", sealedType)
	if err := req.Write(left.conn); err != nil {
		t.Fatal(err)
	}
	<-came
	time.Sleep(20 * time.Millisecond) // it most likely waits by now; if not, it finds its client gone all the same
	_ = left.conn.Close()
	// The same message is refused as long as the first is under way: so this tells when it was given up.
	same := strings.ReplaceAll(receive, "PT60S", "PT0.02S")
	for end := time.Now().Add(time.Minute); c.must(same).code() == 1359 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	c.send(shell, id, []byte("for the one who is still here"), true, "PT5S")
	if r := c.drain(shell, id); string(r.stdout) != "for the one who is still here" {
		t.Errorf("an abandoned Receive took the output: %q", r.stdout)
	}
}
