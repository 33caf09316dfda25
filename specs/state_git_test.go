package specs_test

import (
	"strings"
	"testing"

	"meshrotate/specs"
)

func TestStateGit(t *testing.T) {
	for _, c := range []struct{ reason, text, branch, refused string }{
		{"the usual branch", "git: {repo: 'https://git.contoso.example/state.git'}", "meshrotate/contoso", ""},
		{"another", "git: {repo: 'git@git.contoso.example:im/state.git', branch: rotation}", "rotation", ""},
		{"a folder that is made later", "git: {repo: /srv/state.git}", "meshrotate/contoso", ""},
		{"a token in the URL", "git: {repo: 'https://git:hunter2@git.contoso.example/state.git'}", "", "must not hold a user's password or token"},
		{"what travels in clear", "git: {repo: 'http://git.contoso.example/state.git'}", "", "neither secret nor authentic"},
		{"a protocol without a proof of who is there", "git: {repo: 'git://git.contoso.example/state.git'}", "", "is not supported"},
		{"no name for a branch", "git: {repo: /srv/state.git, branch: 'a..b'}", "", "is no name for a branch"},
		{"two places", "git: {repo: /srv/state.git}\n  sql: {server: sql01, user: a, password: {env: A}}", "", "in a database already"},
		{"a token that is an .age file", "git: {repo: /srv/state.git, token: {file: token.age}}", "", "an .age file is never a credential's source"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			d, err := specs.Loader{}.Load("a.yaml", []byte("apiVersion: meshrotate/v1\nkind: Deployment\nname: contoso\nhosts: {admin: im-admin}\nsecrets: {}\nstate:\n  "+c.text+"\n"))
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d.State.Git.Branch != c.branch {
				t.Errorf("branch %s", d.State.Git.Branch)
			}
		})
	}
}
