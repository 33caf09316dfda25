package site

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/state"
)

// Exposure asks who else could come by a secret of a service: by its file and what lies beside that, by its program, by what the host
// records. Answer: *ExposedSeen. Several secrets may have one file: the question is the same, what it says to each of them is not.
type Exposure struct {
	Host, Service, Path string
	// Bears is which secret the file holds: "the key"; "" for none.
	Bears string
	// Runs is what the file itself is the program of, "" where it is none: "secretscli".
	Runs string
}

func (r Exposure) Target() reconciler.Target { return Host(r.Host) }
func (r Exposure) Key() string               { return "exposure " + r.Service + " " + r.Path }

// Exposure is about the same service and file, which holds a secret.
func (r Preflight) Exposure(bears string) Exposure {
	return Exposure{Host: r.Host, Service: r.Service, Path: r.Path, Bears: bears}
}

// ExposedSeen answers Exposure.
type ExposedSeen struct {
	Exposure
	// Program is the service's, Unquoted that its path has a blank and no quotes.
	Program  string
	Unquoted bool
	// Readable says that ordinary users may read Path.
	Readable bool
	// Writable is what ordinary users may change, Unknown where that could not be seen.
	Writable, Unknown []string
	// Left are files beside Path that look like earlier versions of it.
	Left []OldCopy
	// Records are what the host keeps of what is run there.
	Records []string
}

// OldCopy is a file that somebody left.
type OldCopy struct {
	Name     string
	Changed  time.Time
	Readable bool // by ordinary users
}

// Facts are none: no plan does anything about it.
func (s *ExposedSeen) Facts() []reconciler.Fact { return nil }

// Exposed are the findings of the Exposures among the reads. They are about hosts rather than about one secret: Change.Beside.
func Exposed(seen reconciler.Seen, reads []reconciler.Read) []reconciler.Finding {
	var findings []reconciler.Finding
	for _, r := range reads {
		if e, ok := r.(Exposure); ok {
			if s := Answer[ExposedSeen](seen, e); s != nil {
				findings = append(findings, s.findings(e)...)
			}
		}
	}
	return findings
}

// Copies are the files beside one with a secret that look like earlier versions of it. Where others know the secret they may have it, and
// no rotation comes to them: see reconciler.Change.Keepers.
func Copies(seen reconciler.Seen, reads []reconciler.Read) (all []state.Fact) {
	for _, r := range reads {
		e, ok := r.(Exposure)
		if !ok || e.Bears == "" {
			continue
		}
		if s := Answer[ExposedSeen](seen, e); s != nil {
			for _, l := range s.Left {
				all = append(all, state.Fact{Host: s.Host, Value: l.Name + " beside " + shortName(s.Path) + ", which looks like an earlier version of it: it may have it"})
			}
		}
	}
	return all
}

// findings are what the answer says to who asked.
func (s *ExposedSeen) findings(r Exposure) []reconciler.Finding {
	var all []reconciler.Finding
	ofProgram := func(path string) bool {
		return s.Program != "" && (strings.EqualFold(path, s.Program) || strings.EqualFold(path, folderOf(s.Program))) || r.Runs != ""
	}
	if some := slices.DeleteFunc(slices.Clone(s.Writable), func(p string) bool { return !ofProgram(p) }); len(some) > 0 {
		all = append(all, Warning("program-writable", fmt.Sprintf("%s: ordinary users may change the program of %s: %s", s.Host, cmp.Or(r.Runs, s.Service), strings.Join(some, ", ")),
			"take that right from them (`icacls`): whoever has it runs what he likes as the account that runs it, with its secrets", s.Host))
	}
	if s.Readable && r.Bears != "" {
		all = append(all, Warning("file-readable", fmt.Sprintf("%s: ordinary users may read %s, which holds %s", s.Host, s.Path, r.Bears),
			"take Users out of the file's ACL", s.Host))
	}
	if some := slices.DeleteFunc(slices.Clone(s.Writable), ofProgram); len(some) > 0 {
		all = append(all, Warning("file-writable", fmt.Sprintf("%s: ordinary users may change what the product reads: %s", s.Host, strings.Join(some, ", ")),
			"take that right from them (`icacls`)", s.Host))
	}
	if s.Unquoted {
		all = append(all, Warning("path-unquoted", fmt.Sprintf("%s: the path of the program of %s has a blank and no quotes: %s", s.Host, s.Service, s.Program),
			"put quotes around it: the value ImagePath in the registry key of the service, or `sc.exe config`", s.Host))
	}
	if len(s.Left) > 0 {
		all = append(all, s.left())
	}
	if len(s.Unknown) > 0 {
		f := Note("access-unknown", fmt.Sprintf("%s: who may change this could not be seen: %s", s.Host, strings.Join(s.Unknown, ", ")), "let meshrotate's account read its access rules")
		f.Hosts = []string{s.Host}
		all = append(all, f)
	}
	if len(s.Records) > 0 {
		f := Note("host-records", fmt.Sprintf("%s: the host records %s", s.Host, strings.Join(s.Records, ", ")),
			"nothing to do for meshrotate, which puts no value there unless the document permits an argument; a secret that somebody types there is")
		f.Hosts = []string{s.Host}
		all = append(all, f)
	}
	return all
}

func (s *ExposedSeen) left() reconciler.Finding {
	var names []string
	readable := ""
	for _, l := range s.Left {
		names = append(names, fmt.Sprintf("%s (%s)", l.Name, l.Changed.UTC().Format(time.DateOnly)))
		if l.Readable {
			readable = ", and ordinary users may read one"
		}
	}
	return Warning("file-left", fmt.Sprintf("%s: beside %s lie what look like earlier versions of it%s: %s", s.Host, s.Path, readable, strings.Join(names, ", ")),
		"see what is in them, and remove them: an old secret may still be alive", s.Host)
}

func folderOf(path string) string { return path[:max(0, strings.LastIndexAny(path, `\/`))] }
