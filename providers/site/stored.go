package site

import (
	"fmt"
	"path"
	"strings"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// Tables are where the product's database keeps secrets that a program of the product seals, and whom they are for. A name may
// have a schema: "dbo.IM_Secrets".
type Tables struct {
	Secrets string `json:"secrets"`
	Ref     string `json:"ref"`
	Updated string `json:"updated"`
	Owners  string `json:"owners"`
	ID      string `json:"id"`
	Name    string `json:"name"`
}

// StoredSecrets asks which secrets are stored, since when, and whom they may be for. Answer: *StoredSeen.
type StoredSecrets struct {
	Server, Database string
	Tables           Tables
	// Refs are those that the document declares: a plan is bound to these.
	Refs []string
}

func (r StoredSecrets) Target() reconciler.Target { return SQL(r.Server) }
func (r StoredSecrets) Key() string               { return "stored secrets" }

// StoredSeen answers StoredSecrets.
type StoredSeen struct {
	// Updated is when each was set last, by its reference.
	Updated map[string]time.Time
	Owners  []Owner
	// Declared are the references that were asked for.
	Declared []string
	owners   map[string]Owner // by name and by id, in small letters
	// Problem is why the tables could not be read; Hint says what to do.
	Problem, Hint string
}

// Owner is whom a stored secret may be for.
type Owner struct{ ID, Name string }

// Own adds owners.
func (s *StoredSeen) Own(owners ...Owner) {
	if s.owners == nil {
		s.owners = map[string]Owner{}
	}
	for _, o := range owners {
		s.Owners = append(s.Owners, o)
		for _, key := range []string{o.ID, o.Name} {
			if key != "" {
				s.owners[strings.ToLower(key)] = o
			}
		}
	}
}

// Owner finds one by its name or its id.
func (s *StoredSeen) Owner(key string) (Owner, bool) {
	o, ok := s.owners[strings.ToLower(key)]
	return o, ok
}

// Facts are about what is declared: what else is stored changes no plan.
func (s *StoredSeen) Facts() []reconciler.Fact {
	if s.Problem != "" {
		return []reconciler.Fact{{Field: "stored secrets", Value: s.Problem}}
	}
	var facts []reconciler.Fact
	for _, ref := range s.Declared {
		v := "missing"
		if at, ok := s.Updated[ref]; ok {
			v = "set " + at.UTC().Format(time.RFC3339Nano)
		}
		facts = append(facts, reconciler.Fact{Field: "value of " + ref, Value: v})
	}
	return facts
}

// SecretsTool asks about the program of a host that fills the store. Answer: *ToolSeen.
type SecretsTool struct{ Host, Program string }

func (r SecretsTool) Target() reconciler.Target { return Host(r.Host) }
func (r SecretsTool) Key() string               { return "tool " + r.Program }

// ToolSeen answers SecretsTool.
type ToolSeen struct {
	Program string
	Exists  bool
	// Stdin says that it takes values on standard input.
	Stdin bool
	// File says that it takes them in a file that it is told the name of.
	File bool
	// Left is how many of those files an earlier run has left beside it.
	Left int
	// Watched is who records command lines on the host, "" when nobody is known to.
	Watched string
}

func (s *ToolSeen) Facts() []reconciler.Fact {
	v := "missing"
	switch {
	case s.Stdin && s.File:
		v = "takes values on standard input, or in a file"
	case s.Stdin:
		v = "takes values on standard input"
	case s.File:
		v = "takes values as arguments, or in a file"
	case s.Exists:
		v = "takes values as arguments"
	}
	facts := []reconciler.Fact{{Field: "program " + s.Program, Value: v}}
	if s.Watched != "" {
		facts = append(facts, reconciler.Fact{Field: "command lines", Value: "recorded by " + s.Watched})
	}
	return facts
}

// PushSecret lets a program of the host store a version of a secret. It may be done twice: the same value is stored then.
type PushSecret struct {
	Host    string     `json:"-"`
	Program string     `json:"program"`
	Ref     string     `json:"ref"`
	Secret  secret.Ref `json:"secret"`
	// Service opens it: its account is told with the push, and which machine this is.
	Service string `json:"service"`
	// File puts the value into a file for a moment, Argument on the command line.
	File     bool            `json:"file,omitempty"`
	Argument bool            `json:"argument,omitempty"`
	Timeout  reconciler.Span `json:"timeout"`
}

func (o PushSecret) Kind() string              { return "push-secret" }
func (o PushSecret) Target() reconciler.Target { return Host(o.Host) }
func (o PushSecret) Key() string               { return "set " + o.Ref }
func (o PushSecret) Holds() string             { return "the store of connectors' secrets, " + o.Ref }
func (o PushSecret) Says() reconciler.Phrase {
	how := "by its standard input"
	switch {
	case o.File:
		how = "by a file that administrators alone can read, deleted after it"
	case o.Argument:
		how = "as an ARGUMENT, which others on the host can see"
	}
	return reconciler.Phrase{Do: fmt.Sprintf("set it with %s on %s, %s", base(o.Program), o.Host, how)}
}
func (o PushSecret) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }

// base is the last part of a path of Windows.
func base(program string) string { return path.Base(strings.ReplaceAll(program, `\`, "/")) }

// ProveListed demands that the program's list names the reference.
type ProveListed struct {
	Host    string          `json:"-"`
	Program string          `json:"program"`
	Ref     string          `json:"ref"`
	Timeout reconciler.Span `json:"timeout"`
}

func (o ProveListed) Kind() string              { return "prove-listed" }
func (o ProveListed) Target() reconciler.Target { return Host(o.Host) }
func (o ProveListed) Key() string               { return "prove listed " + o.Ref }
func (o ProveListed) Says() reconciler.Phrase {
	return reconciler.Phrase{Do: base(o.Program) + " lists it"}
}
func (o ProveListed) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }

// ProveStored demands that the store's own time of the secret is later than the push of this run, and than what was seen
// before it. Its report tells that time: who sets the secret later changes it.
type ProveStored struct {
	Server   string `json:"-"`
	Database string `json:"database"`
	Tables   Tables `json:"tables"`
	Ref      string `json:"ref"`
}

func (o ProveStored) Kind() string              { return "prove-stored" }
func (o ProveStored) Target() reconciler.Target { return SQL(o.Server) }
func (o ProveStored) Key() string               { return "prove stored " + o.Ref }
func (o ProveStored) Says() reconciler.Phrase {
	return reconciler.Phrase{Do: o.Tables.Updated + " is later than the push"}
}
func (o ProveStored) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }

// StoredOn is the ledger's fact of when the secret was set, as the store tells it.
const StoredOn = "stored on"

// ProveSync waits until Admin tells of a run of the owner that began after the push of this run and ended well: the secret
// was opened, and the source took it.
type ProveSync struct {
	Path    string          `json:"path"`
	List    string          `json:"list,omitempty"` // where the runs are in its answer, "" where the document does not say
	Owner   string          `json:"owner"`
	Ref     string          `json:"ref"`
	Timeout reconciler.Span `json:"timeout"`
	// Since is when an earlier run's push was stored, where this run does not push.
	Since string `json:"since,omitempty"`
	// ByHand is what a person does before such a run can succeed, after "a person": without it none is expected to.
	ByHand string `json:"byHand,omitempty"`
}

func (o ProveSync) Kind() string              { return "prove-sync" }
func (o ProveSync) Target() reconciler.Target { return API }
func (o ProveSync) Key() string               { return "prove sync " + o.Ref }
func (o ProveSync) Says() reconciler.Phrase {
	return reconciler.Phrase{Do: "a sync run that began after the push succeeds"}
}
func (o ProveSync) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }
