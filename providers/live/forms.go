package live

import (
	"errors"
	"fmt"

	"meshrotate/providers/mssql"
	"meshrotate/providers/mssql/connstring"
	"meshrotate/providers/site"
	"meshrotate/reconciler/secret"
)

// form reads and writes values in which a secret is only a part.
type form interface {
	// read gives the secret in a value, and what the rest says: that may be shown. The host is where the value stands. A zero
	// secret: there is none in it.
	read(value secret.Value, host string) (part secret.Value, content any, err error)
	// write puts a secret in its place, and whoever the form names beside it.
	write(value, part secret.Value, f site.Form) (secret.Value, error)
}

// forms are all there are. There is no default: a form that nobody knows is an error.
func forms() map[string]form {
	return map[string]form{"": whole{}, site.ConnectionString: connectionString{}}
}

func formOf(f site.Form) (form, error) {
	if known := forms()[f.Kind]; known != nil {
		return known, nil
	}
	return nil, fmt.Errorf("nobody here knows the form %q of a setting", f.Kind)
}

// whole is a value that is the secret.
type whole struct{}

func (whole) read(value secret.Value, _ string) (secret.Value, any, error) { return value, nil, nil }

func (whole) write(_, part secret.Value, _ site.Form) (secret.Value, error) { return part, nil }

type connectionString struct{}

func (connectionString) read(value secret.Value, host string) (secret.Value, any, error) {
	s, err := connstring.Parse(value)
	if err != nil {
		return secret.Value{}, nil, err
	}
	c := site.Connection{Server: s.Shown(connstring.DataSource), Database: s.Shown(connstring.InitialCatalog), User: s.Shown(connstring.UserID),
		Integrated: s.Integrated(), Encrypted: s.Shown(connstring.Encrypt) != "False" && s.Shown(connstring.Encrypt) != "Optional"}
	password := s.Get(connstring.Password)
	if c.Integrated {
		password = secret.Value{} // it counts nothing
	}
	if _, err := mssql.FromString(s, host, mssql.Trust{}); err != nil {
		c.Unfit = err.Error()
	}
	return password, c, nil
}

func (connectionString) write(value, part secret.Value, f site.Form) (secret.Value, error) {
	s, err := connstring.Parse(value)
	if err != nil {
		return secret.Value{}, err
	}
	if s.Integrated() {
		return secret.Value{}, errors.New("the string lets Windows sign in: it is not made to name a login")
	}
	edits := []connstring.Edit{{Keyword: connstring.Password, Value: part}}
	if f.User != "" {
		edits = append(edits, connstring.Edit{Keyword: connstring.UserID, Value: secret.NewString(f.User)})
	}
	if s, err = s.Set(edits...); err != nil {
		return secret.Value{}, err
	}
	return s.Text(), nil
}
