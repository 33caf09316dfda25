package appsettings

import (
	"fmt"
	"slices"
	"strings"
)

// Process is what a service's process is started with: all that decides, beside the files, which settings are in force.
type Process struct {
	Args []string          // after the program's name, see Program
	Env  map[string]string // as in Layer
	Base string            // the folder of the program, with backslashes
	Name string            // the program's name without its extension
	// Secrets are the paths of user secrets that the program may have. It reads one of them.
	Secrets []string
	// Prefixes are those of variables that the program reads by itself, after everything else.
	Prefixes []string
}

// Host is one of the ways in which .NET's libraries put a program's configuration together. Which one a program uses is
// written nowhere but in the program.
type Host struct {
	Name string
	// first are what is asked for the environment's name and the content root, from the weakest on: a prefix of
	// variables, or "" for the arguments. For any other key they are the weakest layers.
	first []string
	// files, variables and arguments follow; with named, files of the program's own name too.
	files, named bool
	// atBase makes the program's folder the content root, whatever else is said.
	atBase bool
}

// The hosts of .NET 10. Before it, none reads files of the program's own name.
var (
	Generic            = Host{Name: "a generic host", first: []string{dotnet, ""}, files: true, named: true}
	WebDefaults        = Host{Name: "a generic host with web defaults", first: []string{dotnet, "", aspnet}, files: true, named: true}
	WebApplication     = Host{Name: "a web application", first: []string{aspnet, dotnet, ""}, files: true, named: true}
	SlimWebApplication = Host{Name: "a slim web application", first: []string{aspnet, dotnet, ""}, files: true}
	empty              = Host{Name: "an empty host", first: []string{""}}
)

const dotnet, aspnet = "DOTNET_", "ASPNETCORE_"

// ServiceHosts are those that a Windows service may be built with, but for the slim one, which reads less than another.
// UseWindowsService sets the content root of a generic host. A program that begins with an empty host, or drops what the host
// set up, cannot be foreseen.
func ServiceHosts() []Host {
	atBase := func(h Host) Host { h.atBase = true; return h }
	return []Host{Generic, atBase(Generic), WebDefaults, atBase(WebDefaults), WebApplication}
}

// before are the layers that decide which files are read. No host has more than three: what has a fixed size needs no heap.
func (h Host) before(p Process) []Layer { return h.addBefore(make([]Layer, 0, 3), p) }

func (h Host) addBefore(layers []Layer, p Process) []Layer {
	for i, prefix := range h.first {
		l := Layer{Name: "the command line", Args: given(p.Args)}
		if prefix != "" {
			// Chained behind the others, a configuration passes on no empty text.
			l = Layer{Name: "the environment", Env: variables(p.Env), Prefix: prefix, nonEmpty: prefix == aspnet && i > 0}
		}
		layers = append(layers, l)
	}
	return layers
}

// Environment is the name that chooses appsettings.NAME.json. It is taken as it is written, also when it is empty.
func (h Host) Environment(p Process) (string, error) { return environment(h.before(p)) }

func environment(before []Layer) (string, error) {
	s, _, err := Effective(before, "environment")
	if err != nil || !s.Found || s.Null {
		return "Production", err
	}
	return string(s.Value.Expose()), nil
}

// ContentRoot is the folder of the settings files. The working folder of a service is System32, which no host takes for it.
func (h Host) ContentRoot(p Process) (string, error) { return h.contentRoot(h.before(p), p) }

func (h Host) contentRoot(before []Layer, p Process) (string, error) {
	s, _, err := Effective(before, "contentRoot")
	if err != nil || h.atBase || s.Value.Len() == 0 {
		return Clean(p.Base), err
	}
	return Clean(Join(p.Base, string(s.Value.Expose()))), nil
}

// Place is where a host looks for its settings files. Hosts that look in the same place read the same files.
type Place struct {
	root, environment string
	own               string // the program's own name, where files are named after it
	none              bool   // it reads no files
}

// Place is where the host looks.
func (h Host) Place(p Process) (l Place, err error) {
	before := h.before(p)
	if l.environment, err = environment(before); err != nil || !h.files {
		return Place{none: true}, err
	}
	if l.root, err = h.contentRoot(before, p); err != nil {
		return l, err
	}
	application, _, err := Effective(before, "applicationName")
	if err != nil || !h.named {
		return l, err
	}
	l.own = p.Name
	if application.Value.Len() > 0 {
		l.own = string(application.Value.Expose())
	}
	return l, nil
}

// Files are the settings files that are looked for there, from the weakest to the strongest. With a name other than
// appsettings.json, a program has added its file by itself; it is taken for the stronger one, as is the environment's.
func (l Place) Files(p Process, name string) []string {
	if l.none {
		return nil
	}
	files := make([]string, 0, 4)
	add := func(base string) {
		path := Join(l.root, base)
		files = append(files, path+".json", path+"."+l.environment+".json")
	}
	add("appsettings")
	if own := l.own; own != "" {
		if strings.ContainsAny(own, `/\`) {
			own = strings.NewReplacer("/", "_", `\`, "_").Replace(own)
		}
		add(own + ".settings")
	}
	if base, ok := cutSuffixFolded(name, ".json"); ok && !Standard(name) {
		if path := Join(l.root, name); !slices.ContainsFunc(files, func(f string) bool { return strings.EqualFold(f, path) }) {
			add(base)
		}
	}
	if strings.EqualFold(l.environment, "Development") {
		files = append(files, p.Secrets...)
	}
	return files
}

// Layers are all that the host reads, from the weakest to the strongest, for Effective. Read says what is in a file.
func (h Host) Layers(p Process, name string, read func(path string) Layer) ([]Layer, error) {
	place, err := h.Place(p)
	if err != nil {
		return nil, err
	}
	return h.LayersOf(p, place.Files(p, name), read), nil
}

// LayersOf is Layers for whoever has asked for the files.
func (h Host) LayersOf(p Process, files []string, read func(path string) Layer) []Layer {
	layers := h.addBefore(make([]Layer, 0, len(h.first)+len(files)+2+len(p.Prefixes)), p)
	for _, f := range files {
		l := read(f)
		l.Name = f
		layers = append(layers, l)
	}
	if h.files {
		layers = append(layers, Layer{Name: "the environment", Env: variables(p.Env)}, Layer{Name: "the command line", Args: given(p.Args)})
	}
	for _, prefix := range p.Prefixes {
		layers = append(layers, Layer{Name: fmt.Sprintf("the environment (prefix %s)", prefix), Env: variables(p.Env), Prefix: prefix})
	}
	return layers
}

// given and variables are never nil: nothing is known to be there.
func given(args []string) []string {
	if args == nil {
		return []string{}
	}
	return args
}

func variables(env map[string]string) map[string]string {
	if env == nil {
		return map[string]string{}
	}
	return env
}

// Standard names are those of a file that hosts read, if not in this environment.
func Standard(name string) bool {
	base, _ := cutSuffixFolded(name, ".json")
	return strings.EqualFold(base, "appsettings") || strings.HasPrefix(fold(base), "APPSETTINGS.")
}

func cutSuffixFolded(s, suffix string) (string, bool) {
	if len(s) < len(suffix) || !strings.EqualFold(s[len(s)-len(suffix):], suffix) {
		return s, false
	}
	return s[:len(s)-len(suffix)], true
}
