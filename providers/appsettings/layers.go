package appsettings

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"meshrotate/reconciler/secret"
)

// Layer is one source of a product's configuration: a file, the environment of its process, or its arguments. The zero Layer
// is none of them, and is refused: what was not looked at proves nothing.
type Layer struct {
	Name string // for messages: "appsettings.Production.json", "the service's environment"

	// Data is what a file holds. An empty file is an empty slice, not nil; .NET refuses it.
	Data []byte
	// Missing says that the file was looked for and is not there; Required, that .NET does not start without it. The
	// default .NET hosts require none of their files.
	Missing, Required bool

	// Env holds the variables that the process has, an empty map when it has none. On Windows two names that
	// differ only in case are one variable; the caller merges the machine's and the service's as Windows does.
	Env map[string]string
	// Prefix is the one that the product gave to AddEnvironmentVariables: only names that start with it count, without
	// it. Mostly there is none.
	Prefix string
	// nonEmpty passes over variables that are set to nothing.
	nonEmpty bool

	// Args are the process' arguments without its program, an empty slice when it has none.
	Args []string
}

// Effective says what the product reads for a key, given its layers from the weakest to the strongest, and the index of the
// layer that says it. No layer says it: a Setting not Found, and -1.
//
// A stronger layer wins even with an empty text or null. A section does not hide the keys in it. .NET reads all layers
// before it answers, so one file that it refuses is an error whatever the key: a *RefusedError, wrapped with the layer's
// name. Two variables for the key with different values are an error too: .NET takes either, at random.
func Effective(layers []Layer, key string) (Setting, int, error) {
	winner, at := Setting{}, -1
	for i, l := range layers {
		s, err := l.Get(key)
		if err != nil {
			return Setting{}, -1, fmt.Errorf("%s: %w", l.Name, err)
		}
		if s.Found {
			winner, at = s, i
		}
	}
	return winner, at, nil
}

// Get says what one layer sets a key to.
func (l Layer) Get(key string) (Setting, error) {
	switch {
	case l.Env != nil:
		return l.variable(key)
	case l.Args != nil:
		return l.argument(key)
	case l.Missing && l.Required:
		return Setting{}, errors.New("the file is required and not there")
	case l.Missing:
		return Setting{}, nil
	case l.Data == nil:
		return Setting{}, errors.New("neither a file's content nor an environment nor arguments are known")
	}
	return Get(l.Data, key)
}

// Sets says that a layer says something of a key, or of one beneath it: layers are merged member by member, so that each of them
// may add to a list, and take the place of its members.
func (l Layer) Sets(key string) (bool, error) {
	beneath := func(name string) bool {
		rest, ok := cutFolded(name, key)
		return ok && (rest == "" || rest[0] == ':')
	}
	switch {
	case l.Env != nil:
		for name, value := range l.Env {
			for _, meant := range meanings(name, value) {
				rest, ok := cutFolded(meant.key, strings.ReplaceAll(l.Prefix, "__", ":"))
				if ok && beneath(rest) && (!l.nonEmpty || value != "") {
					return true, nil
				}
			}
		}
		return false, nil
	case l.Args != nil:
		all, err := l.arguments()
		return slices.ContainsFunc(all, func(a meaning) bool { return beneath(a.key) }), err
	case l.Data == nil:
		s, err := l.Get(key)
		return s.Found, err
	}
	d, err := read(l.Data)
	if err != nil {
		return false, err
	}
	_, ok := d.find(key)
	return ok, nil
}

// variable looks for a key among the variables. Only names that mean the key are looked into.
func (l Layer) variable(key string) (Setting, error) {
	var found Setting
	var by string
	for name, value := range l.Env {
		for _, meant := range meanings(name, value) {
			rest, ok := cutFolded(meant.key, strings.ReplaceAll(l.Prefix, "__", ":"))
			if !ok || fold(rest) != fold(key) || l.nonEmpty && value == "" {
				continue
			}
			v := secret.NewString(meant.value)
			if found.Found && !found.Value.Equal(v) {
				return Setting{}, fmt.Errorf("the variables %s and %s both set %s, to different values; .NET takes either", show(min(by, name)), show(max(by, name)), show(key))
			}
			found, by = Setting{Found: true, Value: v}, name
		}
	}
	return found, nil
}

// Prefixed says that a variable sets the key for a program that reads variables behind a prefix of its own, such as IM_, and
// what this prefix is. What .NET itself reads, and a section that ends with the key, are no such variables.
func Prefixed(name, key string) (prefix string, ok bool) {
	if prefix, ok = Before(name, key); !ok || !strings.HasSuffix(strings.ReplaceAll(prefix, "__", ":"), "_") {
		return "", false
	}
	return prefix, true
}

// Before is what stands before the key in a variable's name, of one that .NET does not read by itself. It may be a section, and it may
// be a prefix that the program takes away: MESH__Some__Setting is Some:Setting behind MESH__.
func Before(name, key string) (prefix string, ok bool) {
	plain := strings.ReplaceAll(name, "__", ":")
	if len(plain) <= len(key) || fold(plain[len(plain)-len(key):]) != fold(key) {
		return "", false
	}
	prefix = plain[:len(plain)-len(key)]
	if strings.EqualFold(prefix, dotnet) || strings.EqualFold(prefix, aspnet) {
		return "", false
	}
	return strings.ReplaceAll(prefix, ":", "__"), true
}

// meaning is what one variable sets: "__" is a colon, since some systems allow no colon in a name.
type meaning struct{ key, value string }

// connectionStrings are the prefixes that Azure App Service gives to the variables of its connection strings, with the data
// provider that .NET adds as a second key. From Microsoft's "Configuration in ASP.NET Core", section "Connection string
// prefixes", and version 10 of the library.
var connectionStrings = [...]struct{ prefix, provider string }{
	{"CUSTOMCONNSTR_", ""},
	{"SQLCONNSTR_", "System.Data.SqlClient"},
	{"SQLAZURECONNSTR_", "System.Data.SqlClient"},
	{"MYSQLCONNSTR_", "MySql.Data.MySqlClient"},
	{"POSTGRESQLCONNSTR_", "Npgsql"},
	{"APIHUBCONNSTR_", ""},
	{"DOCDBCONNSTR_", ""},
	{"EVENTHUBCONNSTR_", ""},
	{"NOTIFICATIONHUBCONNSTR_", ""},
	{"REDISCACHECONNSTR_", ""},
	{"SERVICEBUSCONNSTR_", ""},
}

// ConnectionStringPrefixes are those of variables that .NET takes for connection strings.
func ConnectionStringPrefixes() (all []string) {
	for _, c := range connectionStrings {
		all = append(all, c.prefix)
	}
	return all
}

func meanings(name, value string) []meaning {
	for _, c := range connectionStrings {
		if rest, ok := cutFolded(name, c.prefix); ok {
			key := "ConnectionStrings:" + strings.ReplaceAll(rest, "__", ":")
			if c.provider == "" {
				return []meaning{{key, value}}
			}
			return []meaning{{key, value}, {key + "_ProviderName", c.provider}}
		}
	}
	return []meaning{{strings.ReplaceAll(name, "__", ":"), value}}
}

// cutFolded removes a prefix, whatever its case. Prefixes are ASCII.
func cutFolded(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}
