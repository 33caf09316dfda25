package wsman

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// is says whether a Body holds the shell element of that name.
func (e *element) is(name string) bool { return e != nil && e.space == nsShell && e.name == name }

func errSchema(text string) error { return &fault{code: codeSchema, text: text} }

// shellRequest reads Create's body (MS-WSMV 2.2.4.36); idle is 0 and id "" when nothing was asked for.
func shellRequest(body *element) (id string, idle time.Duration, err error) {
	if !body.is("Shell") {
		return "", 0, &fault{code: codeInvalidBody, text: "Create's Body has no Shell"}
	}
	for _, c := range body.children {
		if c.space != nsShell {
			continue
		}
		switch c.name {
		case "InputStreams":
			if c.string() != "stdin" {
				return "", 0, &fault{code: codeInvalidInputStream, text: "the only input stream is stdin"}
			}
		case "OutputStreams":
			if _, err := wanted(c.string()); err != nil {
				return "", 0, err
			}
		case "IdleTimeOut":
			if idle, err = parseDuration(c.string()); err != nil {
				return "", 0, errSchema("IdleTimeOut: " + err.Error())
			}
		case "Environment", "WorkingDirectory", "Lifetime", "Name", "BufferMode":
		default:
			return "", 0, errSchema("Shell has no element " + c.name)
		}
	}
	return body.attr("", "ShellId"), idle, nil
}

// wanted reads a list of output streams.
func wanted(list string) (want [2]bool, err error) {
	for _, name := range strings.Fields(list) {
		switch name {
		case "stdout":
			want[0] = true
		case "stderr":
			want[1] = true
		default:
			return want, &fault{code: codeInvalidStreams, text: "there is no output stream " + name}
		}
	}
	if !want[0] && !want[1] {
		return want, &fault{code: codeInvalidStreams, text: "no output stream is named"}
	}
	return want, nil
}

// commandRequest reads Command's body and options and joins the command with its arguments.
func commandRequest(env *envelope) (line string, err error) {
	if !env.body.is("CommandLine") {
		return "", &fault{code: codeInvalidBody, text: "Command's Body has no CommandLine"}
	}
	for _, c := range env.body.children {
		switch {
		case c.is("Command") && line == "":
			line = c.string()
		case c.is("Arguments") && line != "":
			line += " " + string(c.text)
		default:
			return "", errSchema("CommandLine holds one Command, then Arguments")
		}
	}
	if line == "" {
		return "", errSchema("Command is empty")
	}
	for _, name := range []string{"WINRS_CONSOLEMODE_STDIN", "WINRS_SKIP_CMD_SHELL"} {
		switch strings.ToUpper(env.options[name]) {
		case "", "TRUE", "FALSE", "1", "0":
		default:
			return "", &fault{code: codeOptionValue, text: "option " + name + " is TRUE or FALSE"}
		}
	}
	if env.yes("WINRS_SKIP_CMD_SHELL") && !fullPath(line) {
		return "", &fault{code: codeNotFound, text: "The system cannot find the file specified."}
	}
	return line, nil
}

// yes says whether an option is on.
func (env *envelope) yes(option string) bool {
	v := env.options[option]
	return v == "1" || strings.EqualFold(v, "TRUE")
}

// number reads an option that is a number; 0 when it is not there.
func (env *envelope) number(option string) (int, error) {
	v := env.options[option]
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(v, 10, 16)
	if err != nil {
		return 0, &fault{code: codeOptionValue, text: "option " + option + " is not a number"}
	}
	return int(n), nil
}

// fullPath says whether a command line begins with a path that needs no search.
func fullPath(line string) bool {
	line = strings.TrimPrefix(line, `"`)
	return strings.HasPrefix(line, `\\`) || len(line) > 3 && line[1] == ':' && line[2] == '\\'
}

// sendRequest reads Send's body: one Stream of standard input.
func sendRequest(body *element) (id string, data []byte, end bool, err error) {
	if !body.is("Send") || len(body.children) != 1 || !body.children[0].is("Stream") {
		return "", nil, false, &fault{code: codeInvalidBody, text: "Send's Body holds one Stream"}
	}
	stream := body.children[0]
	if stream.attr("", "Name") != "stdin" {
		return "", nil, false, &fault{code: codeInvalidInputStream, text: "the only input stream is stdin"}
	}
	id = stream.attr("", "CommandId")
	if id == "" {
		return "", nil, false, &fault{code: codeInvalidParameter, text: "Stream has no CommandId"}
	}
	switch strings.ToLower(stream.attr("", "End")) {
	case "true", "1":
		end = true
	case "", "false", "0":
	default:
		return "", nil, false, errSchema("End is true or false")
	}
	text := bytes.TrimSpace(stream.text)
	data = make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(data, text)
	if err != nil {
		return "", nil, false, errSchema("Stream is not base64")
	}
	return id, data[:n], end, nil
}

// receiveRequest reads Receive's body.
func receiveRequest(body *element) (id string, want [2]bool, err error) {
	if !body.is("Receive") || len(body.children) != 1 || !body.children[0].is("DesiredStream") {
		return "", want, &fault{code: codeInvalidBody, text: "Receive's Body holds one DesiredStream"}
	}
	stream := body.children[0]
	if id = stream.attr("", "CommandId"); id == "" {
		return "", want, &fault{code: codeInvalidParameter, text: "The parameter is incorrect: DesiredStream has no CommandId."}
	}
	want, err = wanted(stream.string())
	return id, want, err
}

// signalRequest reads Signal's body.
func signalRequest(body *element) (id, code string, err error) {
	if !body.is("Signal") || len(body.children) != 1 || !body.children[0].is("Code") {
		return "", "", &fault{code: codeInvalidBody, text: "Signal's Body holds one Code"}
	}
	if id = body.attr("", "CommandId"); id == "" {
		return "", "", &fault{code: codeInvalidParameter, text: "Signal has no CommandId"}
	}
	return id, body.children[0].string(), nil
}

// commandID is the command that Send, Receive or Signal names; empty when it names none.
func commandID(env *envelope) string {
	if env.body == nil {
		return ""
	}
	if env.action != Signal && len(env.body.children) == 1 {
		return env.body.children[0].attr("", "CommandId")
	}
	return env.body.attr("", "CommandId")
}
