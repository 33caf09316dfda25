package live

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/mssql"
	"meshrotate/providers/site"
	"meshrotate/reconciler"
)

// powers are what who is signed in may do in a database, in words.
type powers []string

// onDatabase and onObject are the permissions that are asked about, in the order of their columns.
var (
	onDatabase = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE", "CREATE TABLE", "ALTER", "CONTROL", "VIEW DEFINITION", "VIEW DATABASE STATE"}
	onObject   = []string{"SELECT", "INSERT", "UPDATE", "DELETE", "EXECUTE"}
)

var powersBatch = `SELECT SCHEMA_NAME(), @@LANGUAGE;
SELECT name FROM sys.database_principals WHERE type = 'R' AND name NOT LIKE 'db_deny%' AND IS_MEMBER(name) = 1 ORDER BY name;
SELECT ` + asked("QUOTENAME(DB_NAME()), 'DATABASE'", onDatabase) + `;
SELECT s.name, o.name, ` + asked("QUOTENAME(s.name) + N'.' + QUOTENAME(o.name), 'OBJECT'", onObject) + ` FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id WHERE o.type IN ('U', 'V', 'P', 'FN', 'IF', 'TF') ORDER BY s.name, o.name`

func asked(of string, permissions []string) string {
	var all []string
	for _, p := range permissions {
		all = append(all, "HAS_PERMS_BY_NAME("+of+", '"+p+"')")
	}
	return strings.Join(all, ", ")
}

// powersOf asks by the session's own eyes: of others it may see nothing.
func powersOf(ctx context.Context, s *mssql.Session) (all powers, err error) {
	err = s.Select(ctx, powersBatch, nil, func(result int, scan func(...any) error) error {
		var a, b *string
		switch result {
		case 0:
			err := scan(&a, &b)
			all = append(all, "the default schema "+deref(a), "the language "+deref(b))
			return err
		case 1:
			err := scan(&a)
			all = append(all, "the role "+deref(a))
			return err
		case 2:
			return all.may(onDatabase, " in the database", scan)
		}
		return all.may(onObject, " on %s.%s", scan, &a, &b)
	})
	return all, err
}

// may reads a row of permissions, after the columns that name what they are on.
func (p *powers) may(permissions []string, on string, scan func(...any) error, names ...**string) error {
	has, columns := make([]*int, len(permissions)), []any{}
	for _, n := range names {
		columns = append(columns, n)
	}
	for i := range has {
		columns = append(columns, &has[i])
	}
	err := scan(columns...)
	words := []any{}
	for _, n := range names {
		words = append(words, deref(*n))
	}
	for i, yes := range has {
		if yes != nil && *yes == 1 {
			*p = append(*p, permissions[i]+fmt.Sprintf(on, words...))
		}
	}
	return err
}

// lacks are those that another has and these do not. What is lacking in the whole database is not listed for each object too.
func (p powers) lacks(other powers) (all []string) {
	whole := map[string]bool{}
	for _, x := range other {
		if slices.Contains(p, x) {
			continue
		}
		permission, _, one := strings.Cut(x, " on ")
		if one && whole[permission] {
			continue
		}
		if permission, _, in := strings.Cut(x, " in the database"); in {
			whole[permission] = true
		}
		all = append(all, x)
	}
	return all
}

// alike demands of a sign-in as another login that it may do what the string may that is in force on the host: a sign-in alone does
// not tell that Engine could read its tables.
func (d *database) alike(host, setting string, at *site.SignInSeen) (evidence string, err error) {
	d.mu.Lock()
	now := d.inForce[host+" "+setting]
	d.mu.Unlock()
	if now == nil || strings.EqualFold(now.Login, at.Login) && strings.EqualFold(now.User, at.User) || len(now.May) == 0 || len(at.May) == 0 {
		return "", nil
	}
	lacks := powers(at.May).lacks(now.May)
	if len(lacks) == 0 {
		return ", who may do there what " + now.User + " may", nil
	}
	const most = 4
	text := strings.Join(lacks[:min(len(lacks), most)], ", ")
	if more := len(lacks) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return "", reconciler.Hinted(fmt.Errorf("%s lacks what %s has in %s: %s", at.User, now.User, at.Database, text),
		"give it the same roles, permissions, default schema and language; then plan again")
}
