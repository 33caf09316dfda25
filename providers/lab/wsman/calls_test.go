package wsman_test

import (
	"encoding/base64"
	"encoding/xml"
	"strings"

	"github.com/masterzen/winrm"
)

// answer is what a client looks for in an envelope.
type answer struct {
	status    int
	text      string
	RelatesTo string `xml:"Header>RelatesTo"`
	Action    string `xml:"Header>Action"`
	Body      struct {
		Fault *struct {
			Detail struct {
				WSManFault struct {
					Code    uint32 `xml:"Code,attr"`
					Message string `xml:"Message"`
				} `xml:"WSManFault"`
			} `xml:"Detail"`
		} `xml:"Fault"`
		Shell    struct{ ShellId string }   `xml:"Shell"`
		Command  struct{ CommandId string } `xml:"CommandResponse"`
		Received struct {
			Stream []struct {
				Name string `xml:"Name,attr"`
				End  bool   `xml:"End,attr"`
				Data string `xml:",chardata"`
			}
			CommandState struct {
				State    string `xml:"State,attr"`
				ExitCode *uint32
			}
		} `xml:"ReceiveResponse"`
	} `xml:"Body"`
}

func (a *answer) code() uint32 {
	if a.Body.Fault == nil {
		return 0
	}
	return a.Body.Fault.Detail.WSManFault.Code
}

// call sends an envelope sealed and opens the answer.
func (c *client) call(envelope string) (*answer, error) {
	resp, body, err := c.raw(sealedType, "", c.seal(envelope))
	if err != nil {
		return nil, err
	}
	a := &answer{status: resp.StatusCode}
	if len(body) == 0 {
		return a, nil
	}
	if a.text, err = c.unseal(body); err != nil {
		return nil, err
	}
	return a, xml.Unmarshal([]byte(a.text), a)
}

// clear sends an envelope as it is and reads the answer.
func (c *client) clear(authorization, envelope string) (*answer, error) {
	resp, body, err := c.raw("application/soap+xml;charset=UTF-8", authorization, []byte(envelope))
	if err != nil {
		return nil, err
	}
	a := &answer{status: resp.StatusCode, text: string(body)}
	if len(body) == 0 {
		return a, nil
	}
	return a, xml.Unmarshal(body, a)
}

func (c *client) must(envelope string) *answer {
	c.t.Helper()
	a, err := c.call(envelope)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func params(timeout string) *winrm.Parameters { return winrm.NewParameters(timeout, "en-US", 512000) }

func (c *client) create() string {
	c.t.Helper()
	a := c.must(winrm.NewOpenShellRequest("http://host:5985/wsman", params("PT60S")).String())
	if a.Body.Shell.ShellId == "" {
		c.t.Fatalf("no shell: %s", a.text)
	}
	return a.Body.Shell.ShellId
}

func (c *client) command(shell, line string) string {
	c.t.Helper()
	a := c.must(winrm.NewExecuteCommandRequest("u", shell, line, nil, params("PT60S")).String())
	if a.Body.Command.CommandId == "" {
		c.t.Fatalf("no command: %s", a.text)
	}
	return a.Body.Command.CommandId
}

func (c *client) send(shell, id string, data []byte, end bool, timeout string) *answer {
	c.t.Helper()
	return c.must(winrm.NewSendInputRequest("u", shell, id, data, end, params(timeout)).String())
}

func (c *client) receive(shell, id, timeout string) *answer {
	c.t.Helper()
	return c.must(winrm.NewGetOutputRequest("u", shell, id, "stdout stderr", params(timeout)).String())
}

func (c *client) signal(shell, id string) *answer {
	c.t.Helper()
	return c.must(winrm.NewSignalRequest("u", shell, id, params("PT60S")).String())
}

func (c *client) delete(shell string) *answer {
	c.t.Helper()
	return c.must(winrm.NewDeleteShellRequest("u", shell, params("PT60S")).String())
}

// result is everything that a command wrote, with its exit code.
type result struct {
	stdout, stderr []byte
	exit           uint32
	elements       int
}

// drain receives until Done.
func (c *client) drain(shell, id string) (r result) {
	c.t.Helper()
	for {
		a := c.receive(shell, id, "PT60S")
		if a.code() != 0 {
			c.t.Fatalf("receive: %s", a.text)
		}
		for _, s := range a.Body.Received.Stream {
			data, err := base64.StdEncoding.DecodeString(s.Data)
			if err != nil {
				c.t.Fatal(err)
			}
			r.elements++
			if s.Name == "stdout" {
				r.stdout = append(r.stdout, data...)
			} else {
				r.stderr = append(r.stderr, data...)
			}
		}
		if strings.HasSuffix(a.Body.Received.CommandState.State, "/Done") {
			if a.Body.Received.CommandState.ExitCode == nil {
				c.t.Fatalf("done without exit code: %s", a.text)
			}
			r.exit = *a.Body.Received.CommandState.ExitCode
			return r
		}
	}
}
