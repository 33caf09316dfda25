package sqlserver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"meshrotate/providers/lab/sqlserver"
)

const (
	appLogin, appPassword = "im_app", "Correct-Horse-1"
	rotator, rotatorPass  = "im_rotator", "Battery-Staple-2"
)

// newServer is an instance with the product's database, its login and the rotator's.
func newServer(t testing.TB, c sqlserver.Config) *sqlserver.Server {
	t.Helper()
	s := sqlserver.New(c)
	t.Cleanup(func() { s.Close(); s.Data().Close() })
	setUp(s)
	return s
}

func setUp(s *sqlserver.Server) {
	d := s.Data()
	d.SetDatabase("IdentityMesh", nil)
	sids := map[string][]byte{}
	add := func(name, password string) {
		s.SetLogin(name, func(l *sqlserver.Login) {
			l.Password, l.DefaultDatabase = password, "IdentityMesh"
			sids[name] = l.SID
		})
	}
	add(appLogin, appPassword)
	add(rotator, rotatorPass)
	add("dba", "Very-Secret-3")
	s.SetLogin("dba", func(l *sqlserver.Login) { l.Roles = []string{"sysadmin"} })
	d.SetUser("IdentityMesh", appLogin, sids[appLogin], "db_datareader", "db_datawriter")
	d.SetUser("IdentityMesh", rotator, sids[rotator], "db_datareader")
	s.GrantServer(rotator, "ALTER ANY LOGIN", "VIEW SERVER STATE", "ALTER ANY CONNECTION")
}

// results keeps what a request gave.
type results struct {
	columns []sqlserver.Column
	rows    [][]any
	counts  []int64
	errs    []*sqlserver.Error
	infos   []string
}

func (r *results) Columns(all []sqlserver.Column)            { r.columns, r.rows = all, nil }
func (r *results) Row(v []any)                               { r.rows = append(r.rows, v) }
func (r *results) Done(n int64, _ bool)                      { r.counts = append(r.counts, n) }
func (r *results) Using(string)                              {}
func (r *results) Transaction(sqlserver.Transaction, uint64) {}
func (r *results) Message(e *sqlserver.Error) {
	if e.Class <= 10 {
		r.infos = append(r.infos, e.Message)
	} else {
		r.errs = append(r.errs, e)
	}
}

// text is all rows, for a comparison.
func (r *results) text() string {
	var lines []string
	for _, row := range r.rows {
		var cells []string
		for _, v := range row {
			if v == nil {
				cells = append(cells, "NULL")
			} else {
				cells = append(cells, fmt.Sprint(v))
			}
		}
		lines = append(lines, strings.Join(cells, "|"))
	}
	return strings.Join(lines, "\n")
}

func (r *results) numbers() []int {
	var all []int
	for _, e := range r.errs {
		all = append(all, e.Number)
	}
	return all
}

func login(t testing.TB, s *sqlserver.Server, user, password string) *sqlserver.Session {
	t.Helper()
	x, err := s.Login(sqlserver.Client{User: user, Password: password, Database: "IdentityMesh", Host: "BOX", Program: "test"})
	if err != nil {
		t.Fatalf("login %s: %v", user, err)
	}
	t.Cleanup(x.Close)
	return x
}

// run carries out a batch.
func run(x *sqlserver.Session, text string, params ...sqlserver.Param) *results {
	r := &results{}
	x.Request(context.Background(), func(ctx context.Context) { x.Batch(ctx, text, params, r) })
	return r
}

// must is a batch that may not fail.
func must(t testing.TB, x *sqlserver.Session, text string, params ...sqlserver.Param) *results {
	t.Helper()
	r := run(x, text, params...)
	if len(r.errs) > 0 {
		t.Fatalf("%s: %v", text, r.errs)
	}
	return r
}

// numbersOf are the error numbers of a login that failed.
func numbersOf(err error) []int {
	var e *sqlserver.Error
	var all sqlserver.Errors
	switch {
	case errors.As(err, &e) && !errors.As(err, &all):
		return []int{e.Number}
	case errors.As(err, &all):
		var n []int
		for _, e := range all {
			n = append(n, e.Number)
		}
		return n
	}
	return nil
}
