package live

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
)

// What Windows answers where a service does not start.
const (
	noProgram      = 2
	noDependency   = 1068
	noAnswerInTime = 1053 // of a program that ends while it reads its settings
)

// askStart asks what a service would be started with, of which most is asked for its settings already.
func askStart(q *questions, r site.Preflight) {
	if r.Settings != "" {
		q.ask(winhost.ServiceQuery{Service: r.Service}, r.Service)
		askSetting(q, ofStart(r))
	}
}

func ofStart(r site.Preflight) site.Setting {
	return site.Setting{Host: r.Host, Path: r.Settings, Service: r.Service}
}

// start says whether a service, once stopped, starts again as it runs now. Nothing is known where the host did not say it.
func (q *questions) start(ctx context.Context, r site.Preflight) (site.StartSeen, error) {
	var seen site.StartSeen
	service, err1 := q.result(r.Service)
	env, err2 := q.result(envKey(ofStart(r)))
	if err1 != nil || err2 != nil || service.Service == nil || env.Environment == nil || !service.Service.Installed {
		return seen, nil
	}
	own, _ := q.result(r.Settings)
	s := starting{service: r.Service, path: env.Environment.Path, StartSeen: &seen}
	err, parsed := q.read[r.Settings]
	if content := contentOf(own); !parsed && content != nil {
		_, err = appsettings.Get(content, "x")
	}
	if service.Service.State == winhost.Running {
		s.since = service.Service.StartedAt
	}
	j := q.judged[env.Environment]
	if j == nil {
		if j, err1 = newJudge(r.Service, "", false, env.Environment, q.further(ctx)); err1 != nil {
			return seen, err1
		}
	}
	s.judge(j, env.Environment, own, err)
	for _, c := range seen.Changed {
		if strings.HasPrefix(c.What, site.Program) {
			if q.host.newer == nil {
				q.host.newer = map[string]string{}
			}
			q.host.newer[r.Service] = c.Says()
		}
	}
	return seen, nil
}

// ofProgram adds to a start that did not come about that the program is another one than ran before.
func (h *host) ofProgram(service string, r winhost.Result, err error) error {
	says := h.newer[service]
	if says == "" || r.Win32 == logonFailure {
		return err
	}
	hint := "look first whether all files of the program belong together: " + says
	if more := reconciler.HintOf(err); more != "" {
		hint += "; or: " + more
	}
	return reconciler.Hinted(err, hint)
}

// further asks the host for more than the look did, each thing once.
func (q *questions) further(ctx context.Context) asking {
	return func(ops []winhost.Op) ([]winhost.Result, error) {
		results, missing := make([]winhost.Result, len(ops)), []winhost.Op(nil)
		for _, op := range ops {
			if _, ok := q.more[fmt.Sprintf("%T%v", op, op)]; !ok {
				missing = append(missing, op)
			}
		}
		if len(missing) > 0 {
			answers, err := q.host.ask(ctx, missing, true)
			if err != nil {
				return nil, err
			}
			if q.more == nil {
				q.more = map[string]winhost.Result{}
			}
			for i, op := range missing {
				q.more[fmt.Sprintf("%T%v", op, op)] = answers[i]
			}
		}
		for i, op := range ops {
			results[i] = q.more[fmt.Sprintf("%T%v", op, op)]
		}
		return results, nil
	}
}

// starting is a start that is judged before the service is stopped.
type starting struct {
	service, path string
	since         time.Time // when its process started; zero where there is none, or nobody can tell
	*site.StartSeen
}

func (s starting) lacks(code uint32, format string, args ...any) {
	s.Lacks = append(s.Lacks, site.Lack{Code: code, Text: fmt.Sprintf(format, args...)})
}

// changed notes what was written since the process has read it.
func (s starting) changed(what string, at time.Time, own bool) {
	if !s.since.IsZero() && at.After(s.since) {
		s.Changed = append(s.Changed, site.Changed{What: what, At: at, Own: own})
	}
}

func (s starting) judge(j *judge, env *winhost.Environment, own winhost.Result, refused error) {
	if j.env.Missing != "" {
		s.lacks(noProgram, "its program %s is not there", j.env.Missing)
	}
	for _, n := range env.Needs {
		switch {
		case !n.Installed:
			s.lacks(noDependency, "it depends on the service %s, which is not there", n.Name)
		case n.StartMode == "disabled" && n.State == winhost.Stopped:
			s.lacks(noDependency, "it depends on the service %s, which is disabled and stopped", n.Name)
		}
	}
	s.Registration, s.Registered = env.Registration, env.Registered
	s.changed(site.Registration, env.Registered, false)
	s.program(j.env.Programs)
	s.changed(fmt.Sprintf("the environment of its account (%s)", env.Account), env.UserChanged, false)
	if j.env.Wrapped && !env.Wrapped && j.described.File != nil {
		s.changed(env.Described, j.described.File.Modified, false)
	}
	s.file(s.path, own, refused, true)
	for _, path := range j.paths {
		r := j.files[strings.ToLower(path)]
		if path != j.script {
			_, err := appsettings.Get(contentOf(r), "x")
			s.file(path, r, err, false)
		} else if r.File != nil && r.File.Exists {
			s.changed(path, r.File.Modified, false)
		}
	}
}

// program notes the files of the program that were written since the process started, together; and else those about which something
// was changed, as their rights: what keeps the time of its last write may be a copy.
func (s starting) program(files []winhost.ProgramFile) {
	var written, touched []string
	var at, touch time.Time
	note := func(names []string, latest time.Time, path string, t time.Time) ([]string, time.Time) {
		if len(names) > 0 {
			_, path = appsettings.Split(path)
		}
		if slices.Contains(names, path) {
			return names, latest
		}
		if t.After(latest) {
			latest = t
		}
		return append(names, path), latest
	}
	for _, f := range files {
		switch {
		case s.since.IsZero():
		case f.Written.After(s.since):
			written, at = note(written, at, f.Path, f.Written)
		case f.Changed.After(s.since):
			touched, touch = note(touched, touch, f.Path, f.Changed)
		}
	}
	if len(written) > 0 {
		s.changed(site.Program+strings.Join(written, ", "), at, false)
	} else if len(touched) > 0 {
		s.Changed = append(s.Changed, site.Changed{What: site.Program + strings.Join(touched, ", "), At: touch, Kept: true})
	}
}

// file judges one settings file that the start reads, or may read. Refused is what .NET says of its content.
func (s starting) file(path string, r winhost.Result, refused error, own bool) {
	if r.Code == winhost.Sharing {
		s.lacks(noAnswerInTime, "another process holds its settings open and lets nobody read them: %s", path)
	}
	if r.File == nil || !r.File.Exists {
		return
	}
	if refused != nil {
		s.lacks(noAnswerInTime, ".NET refuses its settings, %s: %v", path, refused)
		return
	}
	s.changed(path, r.File.Modified, own)
}
