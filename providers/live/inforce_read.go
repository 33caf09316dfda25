package live

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/winhost"
)

// fetch reads what else the service may read, and what lies beside the file.
func (j *judge) fetch(ask asking) error {
	var ops []winhost.Op
	var paths []string
	siblings := map[string]bool{}
	want := func(path string) {
		folder, name := appsettings.Split(path)
		beside := func(n string) bool { return strings.EqualFold(n, name) }
		if strings.EqualFold(path, j.path) || strings.EqualFold(folder, j.folder) && !slices.ContainsFunc(j.env.Beside, beside) ||
			slices.ContainsFunc(paths, func(p string) bool { return strings.EqualFold(p, path) }) {
			return
		}
		paths, ops = append(paths, path), append(ops, winhost.FileRead{Path: path})
	}
	for _, p := range j.processes() {
		var files []string
		var last appsettings.Place
		for i, host := range appsettings.ServiceHosts() {
			place, err := host.Place(p)
			if err != nil {
				return fmt.Errorf("service %s: %w", j.service, err)
			}
			if i == 0 || place != last { // nearly all look in one
				last, files = place, place.Files(p, j.name)
			}
			j.ways = append(j.ways, way{host, p, files})
			for _, path := range files {
				want(path)
			}
		}
	}
	if j.script = j.scriptOf(); j.script != "" {
		want(j.script)
	}
	read := len(paths)
	for _, name := range j.env.Beside {
		if j.key != "" && !ofAnotherEnvironment(name) && !describesProgram(name) && !strings.EqualFold(appsettings.Join(j.folder, name), appsettings.Clean(j.env.Described)) {
			want(appsettings.Join(j.folder, name))
		}
	}
	named := map[string]string{} // by path: which variable names it
	for _, place := range j.places() {
		for _, name := range slices.Sorted(maps.Keys(place.Files)) {
			if path := appsettings.Clean(place.Files[name]); j.key != "" {
				want(path)
				named[path] = place.of + name
			}
		}
	}
	for _, path := range paths[read:] {
		siblings[path] = true
	}
	if len(ops) == 0 {
		return nil
	}
	results, err := ask(ops)
	if err != nil {
		return err
	}
	for i, r := range results {
		if err := r.Err(ops[i]); err != nil && r.Code != winhost.NotFound && !siblings[paths[i]] && j.key != "" && paths[i] != j.script {
			return err
		}
		if !siblings[paths[i]] {
			j.files[strings.ToLower(paths[i])] = r
			j.paths = append(j.paths, paths[i])
			continue
		}
		verb, by := j.mentioned(contentOf(r)), named[paths[i]]
		switch {
		case by != "" && r.File == nil && r.Code != winhost.NotFound:
			j.doubts = append(j.doubts, fmt.Sprintf("%s names %s, which cannot be read: what that holds is not known", by, paths[i]))
		case verb == "":
		case by != "":
			j.doubts = append(j.doubts, fmt.Sprintf("%s names %s, which %s %s too: the program may read it", by, paths[i], verb, j.key))
		default:
			name := paths[i][min(len(j.folder)+1, len(paths[i])):]
			j.doubts = append(j.doubts, fmt.Sprintf("%s beside %s %s %s too: .NET does not read it by itself, but the program may", name, j.name, verb, j.key))
		}
	}
	return nil
}

// mentioned says how a file that is none of .NET's own speaks of the key, "" for not at all. What is no JSON is searched for its words.
func (j *judge) mentioned(content []byte) string {
	found, err := j.sets(appsettings.Layer{Data: content})
	switch {
	case found && err == nil:
		return "holds"
	case err == nil || content == nil:
		return ""
	}
	var x struct{ XMLName xml.Name }
	if parseXML(content, &x) == nil && x.XMLName.Local == "doc" {
		return "" // the compiler's words about a program
	}
	at := 0
	text := strings.ToLower(string(content))
	for part := range strings.SplitSeq(strings.ToLower(j.key), ":") {
		i := strings.Index(text[at:], part)
		if i < 0 {
			return ""
		}
		at += i + len(part)
	}
	return "names"
}

// ofAnotherEnvironment says of a file that it is .NET's for an environment, which is not this one where it is not read: an installer
// may bring all of them. By any other name a program may have a layer of its own: appsettings.Local.json.
func ofAnotherEnvironment(name string) bool {
	return slices.ContainsFunc([]string{"appsettings.json", "appsettings.Development.json", "appsettings.Staging.json", "appsettings.Production.json"},
		func(standard string) bool { return strings.EqualFold(name, standard) })
}

// describesProgram says of a file that .NET's own tools write it beside every program.
func describesProgram(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, ".dll.config") || strings.HasSuffix(name, ".deps.json") || strings.HasSuffix(name, ".runtimeconfig.json") || strings.HasSuffix(name, ".runtimeconfig.dev.json")
}

func contentOf(r winhost.Result) []byte {
	if r.File == nil || !r.File.Exists {
		return nil
	}
	if data := r.File.Content.Expose(); data != nil {
		return data
	}
	return []byte{}
}
