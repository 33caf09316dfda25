package mssql

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// migrations lead from one version of the tables to the next, a batch each. Version 0 is nothing at all.
var migrations = [][]string{{
	`CREATE SCHEMA {schema}`,
	`CREATE TABLE {state} (
	id int NOT NULL PRIMARY KEY CHECK (id = 1),
	version int NOT NULL,
	salt varbinary(32) NULL,
	entries bigint NOT NULL,
	chain varchar(32) NOT NULL,
	fence bigint NOT NULL,
	beats bigint NOT NULL,
	token varchar(32) NULL,
	holder nvarchar(max) NULL,
	heartbeat datetime2(3) NULL,
	ttl int NOT NULL
)`,
	`CREATE TABLE {ledger} (
	n bigint NOT NULL PRIMARY KEY,
	chain varchar(32) NOT NULL UNIQUE,
	time datetime2(7) NOT NULL,
	run nvarchar(200) NOT NULL,
	secret nvarchar(400) NOT NULL,
	version nvarchar(400) NOT NULL,
	step nvarchar(400) NOT NULL,
	outcome nvarchar(20) NOT NULL,
	fence bigint NOT NULL,
	entry nvarchar(max) NOT NULL
)`,
	`CREATE TABLE {kept} (
	folder varchar(255) COLLATE Latin1_General_BIN2 NOT NULL,
	name varchar(255) COLLATE Latin1_General_BIN2 NOT NULL,
	content varbinary(max) NOT NULL,
	PRIMARY KEY (folder, name)
)`,
	`INSERT {state} (id, version, entries, chain, fence, beats, ttl) VALUES (1, 1, 0, '', 0, 0, 0)`,
	`CREATE ROLE {runner}`,
	`CREATE ROLE {reader}`,
	`GRANT SELECT, UPDATE ON {state} TO {runner}`,
	`DENY INSERT, DELETE ON {state} TO {runner}`,
	`GRANT SELECT, INSERT ON {ledger} TO {runner}`,
	`DENY UPDATE, DELETE ON {ledger} TO {runner}`,
	`GRANT SELECT, INSERT ON {kept} TO {runner}`,
	`DENY UPDATE, DELETE ON {kept} TO {runner}`,
	`GRANT SELECT ON {state} TO {reader}`,
	`GRANT SELECT ON {ledger} TO {reader}`,
	`GRANT SELECT ON {kept} TO {reader}`,
}}

var plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Script is what makes the tables, for the database's administrator.
func Script(schema string) (string, error) {
	if !plain.MatchString(schema) {
		return "", fmt.Errorf("%q is no name for a schema: letters, digits and _ only", schema)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "-- The tables of meshrotate. Run it in their database, and then, for the login that meshrotate signs in with:\n"+
		"-- ALTER ROLE %s ADD MEMBER [USER]\nSET XACT_ABORT ON\nGO\nBEGIN TRANSACTION\nGO\n", names(schema).Replace("{runner}"))
	for _, m := range migrations {
		for _, batch := range m {
			b.WriteString(names(schema).Replace(batch) + "\nGO\n")
		}
	}
	b.WriteString("COMMIT TRANSACTION\nGO\n")
	return b.String(), nil
}

// begin makes the tables, or what they lack. Only one does at a time.
func (s *Store) begin(ctx context.Context, x Session) error {
	if h, ok, err := s.head(ctx, x); err != nil || ok && h.version == len(migrations) {
		return err
	}
	err := s.migrate(ctx, x)
	if err == nil || s.config.Passes(err) {
		return err
	}
	return s.noRight(err)
}

func (s *Store) noRight(err error) error {
	return &hinted{fmt.Errorf("make the tables of %s: %w", s.Place(), err),
		fmt.Sprintf("let the database's administrator run what `meshrotate schema --sql=%s` prints, or grant this login CREATE SCHEMA, CREATE ROLE and CREATE TABLE there", s.config.Schema)}
}

func (s *Store) migrate(ctx context.Context, x Session) error {
	if err := x.Select(ctx, begin, nil, nothing); err != nil {
		return err
	}
	locked, err := one(ctx, x, lockSchema, "meshrotate "+s.config.Schema+" schema")
	if err == nil && locked < 0 {
		err = fmt.Errorf("another program makes them just now")
	}
	var h head
	there := false
	if err == nil {
		there, err = s.there(ctx, x) // an error about a table that is missing would end the transaction
	}
	if err == nil && there {
		h, _, err = s.head(ctx, x)
	}
	for version := h.version; err == nil && version < len(migrations); version++ {
		for _, batch := range migrations[version] {
			if err = x.Select(ctx, s.sql(batch), nil, nothing); err != nil {
				return err
			}
		}
		err = x.Select(ctx, s.sql(setVersion(version+1)), nil, nothing)
	}
	if err != nil {
		return err
	}
	return x.Select(ctx, commit, nil, nothing)
}

// one is the only number that a batch gives.
func one(ctx context.Context, x Session, batch string, args ...any) (n int64, err error) {
	err = x.Select(ctx, batch, args, func(_ int, scan func(...any) error) error { return scan(&n) })
	return n, err
}
