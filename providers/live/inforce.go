package live

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
)

// force is what wins over a settings file, and what may.
type force struct {
	overrides []string
	mends     []string // what to do about each
	doubts    []string
	refused   string
	under     site.Under
	changed   bool // the machine's environment, since the host started
}

// judge compares one settings file with all that its service may read. How the program is built is not known: what holds for
// one of the ways counts.
type judge struct {
	service, key string
	list         bool   // the key holds a list: every layer may add to it
	path         string // of the file, as Windows names it
	folder, name string
	env          *winhost.Environment
	ways         []way
	files        map[string]winhost.Result // the others, by path in small letters
	paths        []string                  // theirs, as Windows names them
	script       string                    // what the service's command line runs, if that is a script
	described    winhost.Result            // the file that says what a wrapper starts, where there is one
	force
	seen map[string][]string // how an override is called, and the hosts for which it is one
}

// way is one of the ways in which the service may read its settings.
type way struct {
	host  appsettings.Host
	p     appsettings.Process
	files []string
}

// inForce judges the settings file that the environment was asked about. It reads the other files that the service may read.
func (h *host) inForce(ctx context.Context, service, key string, list bool, env *winhost.Environment) (force, error) {
	j, err := h.judge(ctx, service, key, list, env)
	if err != nil {
		return force{}, err
	}
	return j.force, nil
}

func (h *host) judge(ctx context.Context, service, key string, list bool, env *winhost.Environment) (*judge, error) {
	return judged(service, key, list, env, func(ops []winhost.Op) ([]winhost.Result, error) { return h.ask(ctx, ops, true) })
}

func judged(service, key string, list bool, env *winhost.Environment, ask asking) (*judge, error) {
	j, err := newJudge(service, key, list, env, ask)
	if err != nil {
		return nil, err
	}
	for _, w := range j.ways {
		j.compare(w.host, w.p, w.files)
	}
	j.prefixed()
	j.indirect()
	j.doubt()
	j.qualify()
	return j, nil
}

// asking asks the host for more, in a request of its own.
type asking func([]winhost.Op) ([]winhost.Result, error)

// newJudge has read all that the service may read. Without a key it is about the files alone, whatever they hold.
func newJudge(service, key string, list bool, env *winhost.Environment, ask asking) (*judge, error) {
	j := &judge{service: service, key: key, list: list, path: appsettings.Clean(env.Path), files: map[string]winhost.Result{}, seen: map[string][]string{}}
	env, unread, err := unwrapped(env, func(ops []winhost.Op) ([]winhost.Result, error) {
		results, err := ask(ops)
		if err == nil && ops[0].Object() == env.Described {
			j.described = results[0]
		}
		return results, err
	})
	if err != nil {
		return nil, err
	}
	j.env = env
	j.folder, j.name = appsettings.Split(j.path)
	if unread != "" {
		j.doubts = append(j.doubts, fmt.Sprintf("service %s: %s", service, unread))
	}
	j.changed = !env.Booted.IsZero() && env.Changed.After(env.Booted)
	return j, j.fetch(ask)
}

// processes are how the service may be started: with the machine's environment as it is now, and, when that was changed since
// the host started, without what it says.
func (j *judge) processes() []appsettings.Process {
	program, args := appsettings.Program(string(j.env.CommandLine.Expose()))
	base, name := appsettings.Split(appsettings.Clean(program))
	if base == "" {
		base = j.folder
	}
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		name = name[:i]
	}
	p := appsettings.Process{Args: args, Base: base, Name: name, Secrets: j.env.Secrets}
	if launches(program) {
		p.Args, p.Base, p.Name = nil, j.folder, "" // they are those of what starts the program
	}
	own := []winhost.Variables{j.env.User, j.env.Service}
	p.Env = merged(append([]winhost.Variables{j.env.Machine}, own...))
	all := []appsettings.Process{p}
	if j.changed && len(j.env.Machine.Hosting) > 0 {
		p.Env = merged(own)
		all = append(all, p)
	}
	if _, err := appsettings.Generic.Environment(p); err != nil { // with these arguments .NET would end the program
		for i := range all {
			all[i].Args = nil // it reads them by itself
			p := all[i]
			p.Args = slices.DeleteFunc(slices.Clone(args), shortSwitch) // or it has told .NET what short switches stand for
			all = append(all, p)
		}
	}
	if folder := appsettings.Clean(j.env.Folder); j.env.Folder != "" && !strings.EqualFold(folder, base) {
		for _, p := range all { // a generic host that the service manager has not started itself takes its working folder
			p.Base = folder
			all = append(all, p)
		}
	}
	return all
}

// merged are variables as a process sees them, the last place winning. Only some values are known; the others are not needed.
func merged(places []winhost.Variables) map[string]string {
	env, names := map[string]string{}, map[string]string{}
	for _, place := range places {
		for _, name := range place.Names {
			delete(env, names[strings.ToLower(name)])
			names[strings.ToLower(name)] = name
			env[name] = place.Hosting[name]
		}
	}
	return env
}

// compare looks at all that one host reads for what wins over the file.
func (j *judge) compare(host appsettings.Host, p appsettings.Process, files []string) {
	layers := host.LayersOf(p, files, func(path string) appsettings.Layer {
		if len(j.files) == 0 { // as on nearly every host
			return appsettings.Layer{Missing: true}
		}
		data := contentOf(j.files[strings.ToLower(path)])
		return appsettings.Layer{Data: data, Missing: data == nil}
	})
	at := slices.IndexFunc(layers, func(l appsettings.Layer) bool { return strings.EqualFold(l.Name, j.path) })
	unnamed := at < 0 && j.unnamed(host, p)
	elsewhere := false
	for i, l := range layers {
		if i == at {
			continue // it was read for itself
		}
		found, err := j.sets(l)
		switch {
		case err != nil: // .NET reads all files or none
			j.refused = fmt.Sprintf("%s beside it: %v", j.called(l.Name), err)
		case i < at && !j.list:
		case found && l.Args != nil:
			j.override(host, fmt.Sprintf("the command line of service %s (%s)", j.service, j.key), j.argument())
		case found && l.Env != nil && l.Prefix == "":
			j.variables(host)
		case found && l.Env != nil:
			j.override(host, fmt.Sprintf("the environment's variables behind %s (%s)", l.Prefix, j.key), "remove the variable and plan again")
		case found && i < at && j.hidden(l):
		case found && !unnamed:
			elsewhere = true
			j.override(host, j.called(l.Name), j.another(l.Name, at >= 0))
		}
	}
	if at < 0 && !unnamed && !elsewhere {
		j.lost(host, p)
	}
}

// hidden says of a weaker file that its list adds nothing to an array with as many members.
func (j *judge) hidden(l appsettings.Layer) bool {
	n, ok := appsettings.Array(l.Data, j.key)
	if ok && n > j.under.Members {
		j.under = site.Under{Members: n, Name: j.called(l.Name), Mend: j.another(l.Name, true)}
	}
	return ok
}

// shows says that a file with this content leaves members of a weaker one in force.
func shows(u site.Under, content []byte, key string) bool {
	n, ok := appsettings.Array(content, key)
	return u.Members > 0 && (!ok || n < u.Members)
}

// another is what to do about another file. Where the declared one is not read by its name, its folder may be written otherwise, and
// the other may be it, or the weaker one beside it: taking the key out of that could take away the only one.
func (j *judge) another(path string, read bool) string {
	const rename = "name that file under product, as settings of the component or of this host, or for this key alone under its keys, and plan again"
	if folder, name := appsettings.Split(path); !read || strings.EqualFold(name, j.name) && !strings.EqualFold(folder, j.folder) {
		return rename + "; take nothing out of it: by a short name (PROGRA~1) or a link it may be the declared file, or lie beside it"
	}
	return "take the key out of that file, or " + rename
}

// argument is how an argument is taken away.
func (j *judge) argument() string {
	if j.env.Wrapped {
		return "take the argument out of what the service starts (its AppParameters: `nssm edit`, or WinSW's XML file) and plan again"
	}
	return "take the argument out of the service's command line (`sc.exe config`) and plan again"
}

// sets says that a layer says something of the key.
func (j *judge) sets(l appsettings.Layer) (bool, error) {
	if j.list {
		return l.Sets(j.key)
	}
	s, err := l.Get(j.key)
	return s.Found, err
}

// unnamed says that the host looks into the file's folder, and not for this file: the environment has another name.
func (j *judge) unnamed(host appsettings.Host, p appsettings.Process) bool {
	root, err := host.ContentRoot(p)
	environment, err2 := host.Environment(p)
	if err != nil || err2 != nil || !strings.EqualFold(root, j.folder) {
		return false
	}
	j.override(host, fmt.Sprintf("the name of the environment, %q, in which %s is not read", environment, j.name),
		"name the file that is read under product, as settings of the component or of this host, or for this key alone under its keys, and plan again")
	return true
}

// lost says that the host looks for its settings elsewhere, and finds nothing there.
func (j *judge) lost(host appsettings.Host, p appsettings.Process) {
	root, err := host.ContentRoot(p)
	if err != nil {
		return
	}
	doubt := fmt.Sprintf("service %s looks for its settings in %s, and none there holds %s: it is taken to read %s by itself", j.service, root, j.key, j.path)
	if !slices.Contains(j.doubts, doubt) {
		j.doubts = append(j.doubts, doubt)
	}
}

// called is a file's name, with its folder where that is another one.
func (j *judge) called(path string) string {
	if slices.Contains(j.env.Secrets, path) {
		return "the user secrets " + path
	}
	if folder, name := appsettings.Split(path); strings.EqualFold(folder, j.folder) {
		return name
	}
	return path
}

func (j *judge) override(host appsettings.Host, what, mend string) {
	if j.seen[what] == nil {
		j.overrides, j.mends = append(j.overrides, what), append(j.mends, mend)
	}
	if !slices.Contains(j.seen[what], host.Name) {
		j.seen[what] = append(j.seen[what], host.Name)
	}
}

// places are where variables are, by how they are called.
func (j *judge) places() []struct {
	of string
	winhost.Variables
} {
	return []struct {
		of string
		winhost.Variables
	}{{"the machine's environment variable ", j.env.Machine}, {"the account's (" + j.env.Account + ") environment variable ", j.env.User},
		{"the service's environment variable ", j.env.Service}}
}

func (j *judge) variables(host appsettings.Host) {
	for i, place := range j.places() {
		for _, name := range place.Names {
			if found, err := j.sets(appsettings.Layer{Env: map[string]string{name: ""}}); err == nil && found {
				j.override(host, place.of+name, mendVariable(i == 0))
			}
		}
	}
}

func mendVariable(machine bool) string {
	if machine {
		return "remove the variable and restart the host: services see the machine's environment as it was when the host started; then plan again"
	}
	return "remove the variable and plan again"
}

// prefixed are variables that the program may read behind a prefix of its own.
func (j *judge) prefixed() {
	for i, place := range j.places() {
		for _, name := range place.Names {
			whole := name
			if i := strings.LastIndex(name, "__"); j.list && i > 0 && strings.Trim(name[i+2:], "0123456789") == "" {
				whole = name[:i] // a member
			}
			if prefix, ok := appsettings.Prefixed(whole, j.key); ok {
				for _, host := range appsettings.ServiceHosts() {
					j.override(host, fmt.Sprintf("%s%s, if the program reads variables behind %s", place.of, name, prefix), mendVariable(i == 0))
				}
			} else if prefix, ok := appsettings.Before(whole, j.key); ok {
				j.doubts = append(j.doubts, fmt.Sprintf("%s%s ends in %s: .NET does not read it by itself, but the program may, as a variable behind %s", place.of, name, j.key, prefix))
			}
		}
	}
}

// doubt says what cannot be known.
func (j *judge) doubt() {
	if j.env.User.Known == winhost.No && j.env.Account != "" && !strings.EqualFold(j.env.Account, "LocalSystem") {
		j.doubts = append(j.doubts, fmt.Sprintf("the variables of %s cannot be read: Windows keeps them loaded only while something runs as it", j.env.Account))
	}
}

// qualify names the ways of building the program for which an override is one, where it is not one for all.
func (j *judge) qualify() {
	names := map[string]bool{}
	for _, host := range appsettings.ServiceHosts() {
		names[host.Name] = true
	}
	for i, what := range j.overrides {
		if hosts := j.seen[what]; len(hosts) < len(names) {
			j.overrides[i] = fmt.Sprintf("%s (if the program is %s)", what, strings.Join(hosts, " or "))
		}
	}
}
