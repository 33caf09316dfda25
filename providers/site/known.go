package site

import (
	"strings"

	"meshrotate/state"
)

// KnownLogins is the fact of the ledger that others know the password of logins that an emergency could not end, or has yet to.
const KnownLogins = "logins that others know"

// Known is a login on an instance, by the document's name for that, whose password others know. Set is when that password was set there,
// by the server's clock: "" when nobody could see it. With another one the login is not what they know. SID is what it is on all instances,
// whatever it is called.
type Known struct{ Login, Server, Set, SID string }

// KnownBy are those that the ledger has of a secret.
func KnownBy(h state.History, secret string) []Known {
	text, _ := h.Fact(secret, "", KnownLogins)
	return ReadKnown(text)
}

// ReadKnown reads what WriteKnown has written: a line for each, with tabs between. Neither is in a name.
func ReadKnown(text string) (all []Known) {
	for line := range strings.SplitSeq(text, "\n") {
		part := append(strings.Split(line, "\t"), "") // it has no SID of old
		if len(part) > 3 {
			all = append(all, Known{part[0], part[1], part[2], part[3]})
		}
	}
	return all
}

// WriteKnown is the text of the fact.
func WriteKnown(all []Known) string {
	var lines []string
	for _, k := range all {
		lines = append(lines, k.Login+"\t"+k.Server+"\t"+k.Set+"\t"+k.SID)
	}
	return strings.Join(lines, "\n")
}

// Another says that a login has another password now than the one that others know.
func (k Known) Another(l *LoginSeen) bool { return k.Set != "" && setAnew(k.Set, l.PasswordSet) }
