// Package gittest serves Git repositories to tests.
package gittest

import (
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// ServeSSH answers one connection: it runs these of git's commands ("upload-pack", "receive-pack"), with this program, on the folder
// that the client names.
func ServeSSH(conn net.Conn, config *ssh.ServerConfig, git string, verbs ...string) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		channel, requests, err := offered.Accept()
		if err != nil {
			return
		}
		go func() {
			defer func() { _ = channel.Close() }()
			for r := range requests {
				var asked struct{ Command string }
				if r.Type != "exec" || ssh.Unmarshal(r.Payload, &asked) != nil {
					_ = r.Reply(r.Type == "env", nil)
					continue
				}
				_ = r.Reply(true, nil)
				_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{pack(git, asked.Command, verbs, channel)}))
				return
			}
		}()
	}
}

// pack runs git-VERB 'FOLDER'.
func pack(git, command string, verbs []string, channel io.ReadWriter) uint32 {
	name, folder, _ := strings.Cut(command, " ")
	verb, ok := strings.CutPrefix(name, "git-")
	if !ok || !slices.Contains(verbs, verb) {
		return 1
	}
	c := exec.Command(git, "-c", "safe.directory=*", verb, strings.Trim(folder, "'"))
	c.Stdout = channel
	stdin, err := c.StdinPipe()
	if err != nil || c.Start() != nil {
		return 1
	}
	go func() {
		_, _ = io.Copy(stdin, channel)
		_ = stdin.Close()
	}()
	if c.Wait() != nil {
		return 1
	}
	return 0
}
