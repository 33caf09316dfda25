package mssql_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"meshrotate/providers/dotnettest"
	"meshrotate/state/mssql"
)

// TestEveryStatementIsRead: no statement stands in the source that the test below does not give to Microsoft's parser.
func TestEveryStatementIsRead(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "statements.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(mssql.Templates(), "\n")
	ast.Inspect(file, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err != nil || strings.Contains(text, " ") && !strings.ContainsAny(text, "%") && !strings.Contains(all, text) && text != " (" && text != ", " {
				t.Errorf("%q is not read: %v", text, err)
			}
		}
		return true
	})
}

// kinds are the statements of Microsoft's syntax tree, by how they begin.
var kinds = []struct{ begins, kind string }{
	{"SELECT", "SelectStatement"}, {"UPDATE", "UpdateStatement"}, {"INSERT", "InsertStatement"}, {"DELETE", "DeleteStatement"}, {"SET XACT_ABORT", "PredicateSetStatement"},
	{"BEGIN TRANSACTION", "BeginTransactionStatement"}, {"COMMIT", "CommitTransactionStatement"}, {"ROLLBACK", "RollbackTransactionStatement"}, {"DECLARE", "DeclareVariableStatement"},
	{"EXEC", "ExecuteStatement"}, {"IF", "IfStatement"}, {"CREATE SCHEMA", "CreateSchemaStatement"}, {"CREATE TABLE", "CreateTableStatement"}, {"CREATE ROLE", "CreateRoleStatement"},
	{"GRANT", "GrantStatement"}, {"DENY", "DenyStatement"},
}

// meant are the statements that were written, one after the other.
func meant(t *testing.T, text string) (all []string) {
	for part := range strings.SplitSeq(text, ";") {
		part = strings.TrimSpace(part)
		i := slices.IndexFunc(kinds, func(k struct{ begins, kind string }) bool { return strings.HasPrefix(part, k.begins) })
		if i < 0 {
			t.Fatalf("nobody knows what %q is", part)
		}
		if all = append(all, kinds[i].kind); kinds[i].begins == "IF" {
			break // the rest is within it
		}
	}
	return all
}

// TestMicrosoftReadsWhatWeSend gives every statement to the T-SQL parser of SQL Server 2016 to 2025. It must find the statements that
// were written, and no other; and, whatever the schema is called, the names and texts of a schema with a plain name, but for that name.
func TestMicrosoftReadsWhatWeSend(t *testing.T) {
	const plain = "plainname"
	schemas := []string{plain, mssql.DefaultSchema, "a]b'c", "]; DROP TABLE x; --", "'; DROP TABLE x; --", "/*", `"`, "日本語"}
	versions := []int{130, 140, 150, 160, 170}
	templates := mssql.Templates()
	type answer struct {
		OK                               bool
		Statements, Identifiers, Strings []string
		Errors                           []struct{ Message string }
	}
	type question struct {
		template, version int
		schema            string
	}
	var all []question
	for _, schema := range schemas { // the plain one first
		for i := range templates {
			for _, version := range versions {
				all = append(all, question{i, version, schema})
			}
		}
	}
	first := map[question]answer{}
	dotnettest.Ask(t, len(all), func(i int) any {
		return map[string]any{"op": "tsql", "text": mssql.Sent(all[i].schema, templates[all[i].template]), "version": all[i].version}
	}, func(i int, a answer) {
		q, template := all[i], templates[all[i].template]
		if !a.OK || !slices.Equal(a.Statements, meant(t, template)) {
			t.Errorf("%+v: %s: %+v", q, template, a)
		}
		if q.schema == plain {
			first[q] = a
			if strings.Contains(template, "{") && !strings.Contains(strings.Join(append(a.Identifiers, a.Strings...), " "), plain) {
				t.Errorf("%+v: %s: no schema: %+v", q, template, a)
			}
			return
		}
		as := first[question{q.template, q.version, plain}]
		if names := renamed(as.Identifiers, plain, q.schema); !slices.Equal(a.Identifiers, names) {
			t.Errorf("%+v: %s: %q, want %q", q, template, a.Identifiers, names)
		}
		if texts := renamed(as.Strings, plain, strings.ReplaceAll(q.schema, "]", "]]")); !slices.Equal(a.Strings, texts) { // a name in brackets
			t.Errorf("%+v: %s: %q, want %q", q, template, a.Strings, texts)
		}
	})
	t.Logf("%d statements, each in %d versions and for %d names of a schema", len(templates), len(versions), len(schemas))
}

func renamed(all []string, from, to string) []string {
	all = slices.Clone(all)
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], from, to)
	}
	return all
}
