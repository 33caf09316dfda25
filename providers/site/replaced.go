package site

import (
	"strings"
	"time"

	"meshrotate/state"
)

// Facts of the ledger about logins that take another's place: ServingLogin is the one that was proven last, ReplacedLogins those that were
// replaced and are not in force, LeavingLogins those that a run is to replace which may have died.
const (
	ServingLogin   = "serving login"
	ReplacedLogins = "replaced logins"
	LeavingLogins  = "logins being replaced"
)

// Replaced is a login that a rotation has replaced, and when that was proven: zero while it is not.
type Replaced struct {
	Login string
	Since time.Time
}

// ReplacedBy are those that the ledger has of a secret.
func ReplacedBy(h state.History, secret string) []Replaced {
	text, _ := h.Fact(secret, "", ReplacedLogins)
	return ReadReplaced(text)
}

// ReadReplaced reads what WriteReplaced has written: a line for each, with a tab before the time. Neither is in a login's name.
func ReadReplaced(text string) (all []Replaced) {
	for line := range strings.SplitSeq(text, "\n") {
		login, since, _ := strings.Cut(line, "\t")
		if login == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, since)
		if err != nil {
			at = time.Time{}
		}
		all = append(all, Replaced{login, at})
	}
	return all
}

// WriteReplaced is the text of a fact.
func WriteReplaced(all []Replaced) string {
	var lines []string
	for _, l := range all {
		line := l.Login
		if !l.Since.IsZero() {
			line += "\t" + l.Since.UTC().Format(time.RFC3339)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// brought is what the ledger keeps of a login that a run is to bring into the strings, which may have died: each has a fact of its own, so
// that the next run with another login does not hide it.
func brought(login string) state.Fact {
	return state.Fact{Field: "login brought " + strings.ToLower(login), Value: login}
}

// IsBrought says that a run was to bring the login into the strings, and was not proven.
func IsBrought(h state.History, secret, login string) bool {
	was, _ := h.Fact(secret, "", brought(login).Field)
	begun, _ := h.Fact(secret, "", LoginOf)
	return login != "" && (strings.EqualFold(was, login) || strings.EqualFold(begun, login))
}

// RetiredOn is what the ledger keeps of a login that was disabled on one instance, by the document's name for it: another one may have been
// away. Off is false once it has a password of ours again.
func RetiredOn(server, login string, off bool) state.Fact {
	f := RetiredFact(login, off)
	f.Host = server
	return f
}

// IsRetiredOn says that a run disabled the login on that instance, and none has set its password there since; known is false where the
// ledger does not say, as one of a time before it told instances apart.
func IsRetiredOn(h state.History, secret, server, login string) (retired, known bool) {
	was, known := h.Fact(secret, server, RetiredOn(server, login, true).Field)
	return strings.EqualFold(was, login) && login != "", known
}

// EnablingOn is what the ledger keeps of a retired login that a run is to enable on an instance, for its next password: one that died between
// the two has left it enabled with what it had. On is false once it has that password, or is disabled again.
func EnablingOn(server, login string, on bool) state.Fact {
	f := state.Fact{Host: server, Field: "login being enabled " + strings.ToLower(login)}
	if on {
		f.Value = login
	}
	return f
}

// IsEnablingOn says that a run was to do that, and may have died.
func IsEnablingOn(h state.History, secret, server, login string) bool {
	was, _ := h.Fact(secret, server, EnablingOn(server, login, true).Field)
	return strings.EqualFold(was, login) && login != ""
}

// RetiredFact is what the ledger keeps of a login that was disabled somewhere; off is false once it was enabled again.
func RetiredFact(login string, off bool) state.Fact {
	f := state.Fact{Field: RetiredLogin + " " + strings.ToLower(login)}
	if off {
		f.Value = login
	}
	return f
}

// IsRetired says that a run disabled the login, and none has enabled it since.
func IsRetired(h state.History, secret, login string) bool {
	was, ok := h.Fact(secret, "", RetiredFact(login, true).Field)
	if !ok { // as ledgers had it that knew one at a time
		was, _ = h.Fact(secret, "", RetiredLogin)
	}
	return strings.EqualFold(was, login) && login != ""
}

// RetiredUser is what the ledger keeps of a user of the contained database that was given a password which nobody knows: nobody sees that
// there, and a login of the same name is another one. Off is false once it has a password of ours again.
func RetiredUser(user string, off bool) state.Fact {
	f := state.Fact{Field: "retired user " + strings.ToLower(user)}
	if off {
		f.Value = user
	}
	return f
}

// IsRetiredUser says that a run did that, and none has set its password since.
func IsRetiredUser(h state.History, secret, user string) bool {
	was, _ := h.Fact(secret, "", RetiredUser(user, true).Field)
	return strings.EqualFold(was, user) && user != ""
}

// IsRetiring says that a run was to disable the login, and may have died.
func IsRetiring(h state.History, secret, login string) bool {
	was, _ := h.Fact(secret, "", RetiringLogin+" "+strings.ToLower(login))
	return strings.EqualFold(was, login) && login != ""
}
