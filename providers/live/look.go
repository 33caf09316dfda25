package live

import (
	"context"
	"fmt"
	"strings"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/licensefile"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// questions turns reads into ops, each op once, and results into answers.
type questions struct {
	host           *host
	salt           secret.Value
	ops            []winhost.Op
	index          map[string]int
	sent, received time.Time
}

func (q *questions) ask(op winhost.Op, key string) {
	if q.index == nil {
		q.index = map[string]int{}
	}
	if _, ok := q.index[key]; !ok {
		q.index[key] = len(q.ops)
		q.ops = append(q.ops, op)
	}
}

func (q *questions) result(key string, results []winhost.Result) (winhost.Result, error) {
	i := q.index[key]
	return results[i], results[i].Err(q.ops[i])
}

// layered is the settings file of .NET's default environment, which wins over the base file.
func layered(path, environment string) string {
	base, ok := strings.CutSuffix(path, ".json")
	if !ok {
		return path + "." + environment
	}
	return base + "." + environment + ".json"
}

const production = "Production"

func envKey(service string) string { return "environment " + service }

func (q *questions) add(r reconciler.Read) {
	switch r := r.(type) {
	case site.Setting:
		q.ask(winhost.FileRead{Path: r.Path}, r.Path)
		q.ask(winhost.FileRead{Path: layered(r.Path, production)}, layered(r.Path, production))
		q.ask(winhost.EnvironmentRead{Service: r.Service, Keys: []string{r.Setting}}, envKey(r.Service)+r.Setting)
		q.ask(winhost.ServiceQuery{Service: r.Service}, r.Service)
	case site.File:
		q.ask(winhost.FileRead{Path: r.Path}, r.Path)
	case site.Service:
		q.ask(winhost.ServiceQuery{Service: r.Name}, r.Name)
	case site.Machine:
		q.ask(winhost.MachineIdentity{}, "machine")
	}
}

func (q *questions) answer(ctx context.Context, r reconciler.Read, results []winhost.Result) (reconciler.Result, error) {
	switch r := r.(type) {
	case site.Setting:
		return q.setting(ctx, r, results)
	case site.File:
		return q.file(ctx, r, results)
	case site.Service:
		res, err := q.result(r.Name, results)
		if err != nil || res.Service == nil {
			return nil, known(err, "no state of service "+r.Name)
		}
		s := res.Service
		return &site.ServiceSeen{Name: r.Name, Installed: s.Installed, State: string(s.State), PID: int(s.PID),
			StartedAt: s.StartedAt, StartMode: s.StartMode, Account: s.Account}, nil
	case site.Machine:
		res, err := q.result("machine", results)
		if err != nil || res.Machine == nil {
			return nil, known(err, "no identity")
		}
		m := res.Machine
		return &site.MachineSeen{ComputerName: m.ComputerName, Domain: m.Domain, MachineGUID: m.MachineGUID,
			PowerShell: m.PSVersion, Skew: skew(m.Now, q.sent, q.received)}, nil
	}
	return nil, fmt.Errorf("a host cannot answer %T", r)
}

// known makes sure that a missing answer is an error.
func known(err error, missing string) error {
	if err == nil {
		err = fmt.Errorf("%s in the answer", missing)
	}
	return err
}

// skew is how far the host's clock is outside of the time between question and answer.
func skew(host, sent, received time.Time) time.Duration {
	switch {
	case host.IsZero():
		return 0
	case host.Before(sent):
		return host.Sub(sent)
	case host.After(received):
		return host.Sub(received)
	}
	return 0
}

// base reads what is known of a file and remembers it for the steps.
func (q *questions) base(path string, results []winhost.Result) (site.Base, secret.Value, error) {
	res, err := q.result(path, results)
	if err != nil || res.File == nil {
		return site.Base{}, secret.Value{}, known(err, "no "+path)
	}
	f := res.File
	b := site.Base{Path: path, Exists: f.Exists, SHA256: f.SHA256, Modified: f.Modified,
		Staged: f.Staged != nil, Backup: f.Backup != nil, UsersCanRead: f.UsersCanRead == winhost.Yes}
	if f.Exists {
		b.Print = fingerprint(q.salt, f.Content.Expose())
	}
	q.host.files[path] = &file{content: f.Content, base: f.SHA256}
	return b, f.Content, nil
}

func (q *questions) setting(ctx context.Context, r site.Setting, results []winhost.Result) (reconciler.Result, error) {
	base, content, err := q.base(r.Path, results)
	if err != nil {
		return nil, err
	}
	seen := &site.SettingSeen{Base: base, Key: r.Setting}
	env, err := q.result(envKey(r.Service)+r.Setting, results)
	if err != nil || env.Environment == nil {
		return nil, known(err, "no environment")
	}
	service, err := q.result(r.Service, results)
	if err != nil || service.Service == nil {
		return nil, known(err, "no state of service "+r.Service)
	}
	seen.Overrides = overrides(r, env.Environment, service.Service)
	if err := q.layers(ctx, r, env.Environment, results, seen); err != nil {
		return nil, err
	}
	if !base.Exists {
		seen.Version, seen.Refused = site.Absent, "the file does not exist"
		return seen, nil
	}
	s, err := appsettings.Get(content.Expose(), r.Setting)
	if err != nil {
		seen.Version, seen.Refused = site.Unreadable, err.Error()
		return seen, nil
	}
	if err := appsettings.Settable(content.Expose(), r.Setting); err != nil {
		seen.Refused = err.Error()
	}
	seen.Version, err = q.host.site.values.version(ctx, r.Secret, s)
	return seen, err
}

// overrides are the variables and arguments that win over the settings file.
func overrides(r site.Setting, env *winhost.Environment, service *winhost.Service) []string {
	var all []string
	for _, v := range env.Machine.Overrides {
		all = append(all, "the machine's environment variable "+v)
	}
	for _, v := range env.Service.Overrides {
		all = append(all, "the service's environment variable "+v)
	}
	if strings.Contains(strings.ToLower(service.ImagePath), strings.ToLower(r.Setting)) {
		all = append(all, "the command line of service "+r.Service)
	}
	return all
}

// layers looks at the settings files that win over the base file. The environment's name chooses one; when it is not
// Production, a second request reads it.
func (q *questions) layers(ctx context.Context, r site.Setting, env *winhost.Environment, results []winhost.Result, seen *site.SettingSeen) error {
	names := []string{env.Service.DotnetEnvironment, env.Service.AspnetcoreEnvironment, env.Machine.DotnetEnvironment, env.Machine.AspnetcoreEnvironment}
	read := map[string]bool{production: true}
	files := map[string]winhost.Result{}
	var err error
	if files[production], err = q.result(layered(r.Path, production), results); err != nil {
		return err
	}
	for _, name := range names {
		if name == "" || read[name] {
			continue
		}
		read[name] = true
		op := winhost.FileRead{Path: layered(r.Path, name)}
		more, err := q.host.ask(ctx, []winhost.Op{op}, true)
		if err != nil {
			return err
		}
		if err := more[0].Err(op); err != nil {
			return err
		}
		files[name] = more[0]
	}
	for _, name := range append([]string{production}, names...) {
		res, ok := files[name]
		delete(files, name)
		if !ok || res.File == nil || !res.File.Exists {
			continue
		}
		s, err := appsettings.Get(res.File.Content.Expose(), r.Setting)
		switch {
		case err != nil:
			seen.Refused = fmt.Sprintf("appsettings.%s.json beside it: %v", name, err)
		case s.Found:
			seen.Overrides = append(seen.Overrides, layered("appsettings.json", name))
		}
	}
	return nil
}

func (q *questions) file(ctx context.Context, r site.File, results []winhost.Result) (reconciler.Result, error) {
	base, content, err := q.base(r.Path, results)
	if err != nil {
		return nil, err
	}
	seen := &site.FileSeen{Base: base}
	switch {
	case !base.Exists:
		seen.Version = site.Absent
		return seen, nil
	case content.Len() == 0:
		seen.Version = site.Empty
		return seen, nil
	}
	if r.License {
		seen.License, _ = licensefile.Parse(content.Expose()) // what cannot be read has no claims
	}
	seen.Version, err = q.host.site.values.match(ctx, r.Secret, content)
	return seen, err
}
