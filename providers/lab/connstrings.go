package lab

import (
	"errors"
	"fmt"
	"strings"

	"meshrotate/providers/appsettings"
)

// namedString is where .NET's own connection strings are.
const namedString = "ConnectionStrings:IdentityMesh"

// connectionStrings are the mishaps of the variables by which .NET takes a connection string besides its own name, and what lets a
// service read one there.
func connectionStrings() []Mishap {
	_, name, _ := strings.Cut(namedString, ":")
	all := []Mishap{{"connstr", "let Admin or Engine read its string in ConnectionStrings", (*Lab).nameString}}
	for _, prefix := range appsettings.ConnectionStringPrefixes() {
		variable := prefix + name
		kind := strings.ToLower(strings.TrimSuffix(prefix, "CONNSTR_"))
		all = append(all, Mishap{"connstr-" + kind, "then give it another one, as " + prefix + "…", func(_ *Lab, h *Host) error {
			if h.stringKey() != namedString {
				return errors.New("its service does not read " + namedString + ": `lab break connstr` lets it")
			}
			value := random(32)
			return h.lay(layer{own: []string{variable + "=" + value}}, value)
		}})
	}
	return all
}

func (l *Lab) nameString(h *Host) error {
	if h.service() == RelayService {
		return errors.New("a relay has no connection string")
	}
	if err := h.comesBack(); err != nil {
		return err
	}
	s, err := h.settingAt(h.stringKey())
	if err != nil {
		return err
	}
	section, name, _ := strings.Cut(namedString, ":")
	if there, err := h.settingAt(namedString); err != nil {
		return err
	} else if there != "" {
		return l.readsNamed(h) // it was let before
	}
	err = h.edit(h.Settings(), func(b []byte) []byte {
		return []byte(strings.Replace(string(b), "{", fmt.Sprintf("{\r\n  %s: {%s: %s},", quote(section), quote(name), quote(s)), 1))
	})
	if err != nil {
		return err
	}
	return l.readsNamed(h)
}

func (l *Lab) readsNamed(h *Host) error {
	h.ReadsString(namedString)
	return l.restart(h)
}

func (h *Host) settingAt(key string) (string, error) {
	b, _, err := h.Machine.FS.Read(h.Settings())
	if err != nil {
		return "", err
	}
	s, err := appsettings.Get(b, key)
	return string(s.Value.Expose()), err
}
