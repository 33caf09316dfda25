package connect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing/transport"

	"meshrotate/providers/mssql"
	"meshrotate/providers/values"
	"meshrotate/specs"
	"meshrotate/state"
	branch "meshrotate/state/git"
	database "meshrotate/state/mssql"
)

// inGit is a state on a branch. Its credential is got when it is needed first. What a run has not pushed yet is in the folder that
// would hold the state.
func inGit(d *specs.Deployment, o Options) state.State {
	s := d.State.Git
	c := &connector{d: d, known: o.known, credentials: values.Config{ReadFile: d.Origin.ReadTrusted, LookupEnv: o.LookupEnv, Stores: storesOf(d, o).credentials}}
	url := s.Repo
	if !strings.Contains(url, ":") {
		url = s.Folder(d.Origin.Dir)
	}
	return branch.Open(branch.Config{URL: url, Branch: s.Branch, Journal: filepath.Join(stateDir(d), "git", nameOf(url, s.Branch)),
		Auth: func(ctx context.Context) (method transport.AuthMethod, err error) {
			g := specs.Git{Repo: url, User: s.User}
			if g.KnownHosts, err = beside(d.Origin.Dir, s.KnownHosts); err != nil {
				return nil, fmt.Errorf("state.git.knownHosts: %w", err)
			}
			token := s.Token
			if token == nil {
				lookup := o.LookupEnv
				if lookup == nil {
					lookup = os.LookupEnv
				}
				if _, set := lookup(specs.GitToken); set {
					token = &specs.Source{Env: specs.GitToken}
				}
			}
			if g.Password, err = c.value(ctx, token, "state.git.token"); err != nil {
				return nil, err
			}
			if g.SSHKey, err = c.value(ctx, s.SSHKey, "state.git.sshKey"); err != nil {
				return nil, err
			}
			if method, err = g.Auth(); err != nil {
				return nil, fmt.Errorf("state.git: %w", err)
			}
			return method, nil
		},
		CAs: func() ([]byte, error) {
			if s.CAFile == "" {
				return nil, nil
			}
			if _, err := c.pool(s.CAFile); err != nil {
				return nil, fmt.Errorf("state.git.%w", err)
			}
			return c.readFile(s.CAFile)
		},
	}).State()
}

// nameOf tells the branches of all repositories apart.
func nameOf(url, branch string) string {
	sum := sha256.Sum256([]byte(url + "\n" + branch))
	return hex.EncodeToString(sum[:8])
}

// inSQL is a state in a database. Its credential is got when it is needed first.
func inSQL(d *specs.Deployment, q specs.SQL, o Options) state.State {
	where := "state.sql"
	if d.State.SQL.Server == "" {
		where = "connect.sql"
	}
	c := &connector{d: d, known: o.known, credentials: values.Config{ReadFile: d.Origin.ReadTrusted, LookupEnv: o.LookupEnv, Stores: storesOf(d, o).credentials}}
	config := sync.OnceValues(func() (mssql.Config, error) {
		config, err := c.signIn(context.Background(), q, where, o.DialSQL)
		if err == nil {
			err = at(&config, q.Server)
		}
		return config, err
	})
	return database.Open(database.Config{
		Schema: d.State.SQL.Schema, Place: fmt.Sprintf("SQL Server %s, database %s", q.Server, q.Database), Passes: mssql.Passes,
		SignIn: func(ctx context.Context) (database.Session, error) {
			config, err := config()
			if err != nil {
				return nil, err
			}
			session, err := mssql.Open(ctx, config)
			if err != nil {
				return nil, err
			}
			return session, nil
		},
	}).State()
}
