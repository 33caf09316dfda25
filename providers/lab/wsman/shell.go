package wsman

import (
	"context"
	"time"
)

// shell is a remote shell: a folder of commands that counts against its owner's quotas.
type shell struct {
	id, owner string
	codePage  int
	idle      time.Duration
	used      time.Time
	busy      int // operations under way
	started   int // commands since Create: terminate gives none back
	commands  map[string]*process
}

func (sh *shell) end() {
	for _, p := range sh.commands {
		p.kill()
	}
}

func errNoShell(id string) error {
	return &fault{code: codeUnexpectedSelectors, text: "The request for the Windows Remote Shell with ShellId " + id +
		" failed because the shell was not found on the server."}
}

// sweep ends the shells that were idle too long. The lock is held.
func (s *Server) sweep() {
	now := s.now()
	for id, sh := range s.shells {
		if sh.busy == 0 && now.Sub(sh.used) > sh.idle {
			sh.end()
			delete(s.shells, id)
		}
	}
}

// enter finds a shell of the user's and marks it busy until leave.
func (s *Server) enter(id, user string) (*shell, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	sh := s.shells[id]
	if sh == nil || !sameUser(sh.owner, user) {
		return nil, errNoShell(id)
	}
	sh.busy++
	return sh, nil
}

func (s *Server) leave(sh *shell) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh.busy--
	sh.used = s.now()
}

// open makes a shell within the user's quotas, by the client's own name for it where it gives one.
func (s *Server) open(user, id string, idle time.Duration, codePage int) (*shell, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	if s.closed {
		return nil, errGone
	}
	mine := 0
	for _, sh := range s.shells {
		if sameUser(sh.owner, user) {
			mine++
		}
	}
	if mine >= s.Limits.ShellsPerUser {
		return nil, &fault{code: codeShellQuota, text: "The maximum number of concurrent shells for this user has been exceeded."}
	}
	if id == "" {
		id = newID()
	}
	if s.shells[id] != nil {
		return nil, &fault{code: codeAlreadyExists, text: "A shell with ShellId " + id + " exists already."}
	}
	if idle == 0 {
		idle = s.Limits.ShellIdle
	}
	sh := &shell{id: id, owner: user, codePage: codePage, idle: idle, used: s.now(), commands: map[string]*process{}}
	if s.shells == nil {
		s.shells = map[string]*shell{}
	}
	s.shells[sh.id] = sh
	return sh, nil
}

// Shells is how many shells there are: each one counts against its owner's quota until somebody deletes it, or until it was
// idle for long enough.
func (s *Server) Shells() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	return len(s.shells)
}

// remove ends a shell and what runs in it.
func (s *Server) remove(sh *shell) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh.end()
	delete(s.shells, sh.id)
}

// Reset ends every shell and what runs in it, as the machine's end does. The server goes on.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, sh := range s.shells {
		sh.end()
		delete(s.shells, id)
	}
}

// launch starts a command within the quotas.
func (s *Server) launch(sh *shell, line string, console bool) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shells[sh.id] != sh {
		return nil, errNoShell(sh.id)
	}
	started := 0
	for _, other := range s.shells {
		if sameUser(other.owner, sh.owner) {
			started += other.started
		}
	}
	if started >= s.Limits.OperationsPerUser {
		return nil, &fault{code: codeOperationQuota, text: "The maximum number of concurrent operations for this user has been exceeded."}
	}
	if len(sh.commands) >= s.Limits.ProcessesPerShell {
		return nil, &fault{code: codeProcessQuota, text: "The maximum number of concurrent commands for this shell has been exceeded."}
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{id: newID(), line: line, cancel: cancel, limit: s.Limits.Buffer}
	sh.started++
	sh.commands[p.id] = p
	s.wait.Add(1)
	go s.run(ctx, p, Process{
		CommandLine: line, User: sh.owner, CodePage: sh.codePage, ConsoleStdin: console,
		Stdin: stdin{p}, Stdout: output{p, 0}, Stderr: output{p, 1},
	})
	return p, nil
}

func (s *Server) run(ctx context.Context, p *process, what Process) {
	defer s.wait.Done()
	defer p.cancel()
	program := s.Run
	if program == nil {
		program = unknownCommand
	}
	if len([]rune(p.line)) > maxCommandLine {
		program = tooLong
	}
	p.finished(program(ctx, what))
}

// command finds a command of a shell.
func (s *Server) command(sh *shell, id string) (*process, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := sh.commands[id]; p != nil {
		return p, nil
	}
	return nil, errNoCommand()
}

// terminate ends a command; its place in the shell is free, its operation is not given back.
func (s *Server) terminate(sh *shell, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := sh.commands[id]
	if p == nil {
		return errNoCommand()
	}
	delete(sh.commands, id)
	p.kill()
	return nil
}
