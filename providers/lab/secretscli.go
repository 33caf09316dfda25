package lab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab/sqlserver"
)

// SecretsCLI is where the program is that sets connectors' secrets, on the Engine host.
const SecretsCLI = `C:\Program Files\IdentityMesh.Service\secretscli.exe`

// CLI is how secretscli behaves. The zero CLI is one that takes values as arguments only, as its documentation has it.
type CLI struct {
	Missing bool
	// Stdin lets it take values on standard input, and say so in its help.
	Stdin bool
	// File lets it take them in a file, and say so. It refuses one that others could read.
	File bool
	// Lies makes it end with 0 without storing anything, Fails with 1; both for these references, or for all.
	Lies, Fails bool
	Only        []string
	// Echoes makes it write the value that it was given.
	Echoes bool
	// Takes is how long it takes.
	Takes time.Duration
}

// SetCLI changes how secretscli behaves.
func (l *Lab) SetCLI(c CLI) {
	l.mu.Lock()
	l.cli = c
	l.mu.Unlock()
	if c.Missing {
		l.EngineHost.Machine.SetTool(SecretsCLI, nil)
	} else {
		l.EngineHost.Machine.SetTool(SecretsCLI, l.secretscli)
	}
}

func (l *Lab) secretscli(ctx context.Context, args []string, in io.Reader, out io.Writer) uint32 {
	l.mu.Lock()
	c := l.cli
	l.mu.Unlock()
	if len(args) == 1 && args[0] == "--help" {
		fmt.Fprintln(out, "secretscli set REF VALUE\nsecretscli list")
		if c.Stdin {
			fmt.Fprintln(out, "secretscli set REF --stdin")
		}
		if c.File {
			fmt.Fprintln(out, "secretscli set REF --value-file PATH")
		}
		return 0
	}
	if len(args) == 4 && args[0] == "set" && args[2] == "--value-file" && c.File {
		value, info, err := l.EngineHost.Machine.FS.Read(args[3])
		if err != nil || info.UsersCanRead {
			fmt.Fprintln(out, "the file cannot be read, or others can read it too")
			return 3
		}
		args, in = []string{"set", args[1], "--stdin"}, bytes.NewReader(value)
		c.Stdin = true
	}
	if c.Takes > 0 {
		t := time.NewTimer(c.Takes)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return 1
		}
	}
	switch {
	case len(args) == 1 && args[0] == "list":
		for _, ref := range slices.Sorted(maps.Keys(l.storedSecrets())) {
			fmt.Fprintln(out, ref)
		}
		return 0
	case len(args) == 3 && args[0] == "set":
		return l.setSecret(ctx, c, args[1], args[2], in, out)
	}
	return 2
}

func (l *Lab) setSecret(ctx context.Context, c CLI, ref, value string, in io.Reader, out io.Writer) uint32 {
	if value == "--stdin" && c.Stdin {
		b, err := io.ReadAll(in)
		if err != nil {
			return 1
		}
		value = string(b)
	}
	if c.Echoes {
		fmt.Fprintf(out, "%s := %s\n", ref, value)
	}
	if c.Only == nil || slices.Contains(c.Only, ref) {
		switch {
		case c.Lies:
			return 0
		case c.Fails:
			return 1
		}
	}
	if err := l.store(ctx, ref, l.sealed(value)); err != nil {
		fmt.Fprintln(out, "the secret was not stored")
		return 1
	}
	fmt.Fprintln(out, "OK")
	return 0
}

const (
	secretsProgram = "secretscli"
	storeStatement = `UPDATE dbo.IM_Secrets SET Value = @v, UpdatedOn = SYSUTCDATETIME() WHERE SecretRef = @r;
IF @@ROWCOUNT = 0 INSERT dbo.IM_Secrets (SecretRef, Value) VALUES (@r, @v)`
)

// store writes IM_Secrets as the product does, signed in with Engine's own connection string.
func (l *Lab) store(ctx context.Context, ref string, sealed []byte) error {
	b, _, err := l.EngineHost.Machine.FS.Read(EngineSettings)
	if err != nil {
		return err
	}
	text, err := appsettings.Get(b, l.EngineHost.stringKey())
	if err != nil {
		return err
	}
	c, err := clientOf(string(text.Value.Expose()))
	if err != nil {
		return err
	}
	c.Host, c.Program = "IM-ENGINE", secretsProgram
	in, err := l.database.engine.login(c, string(text.Value.Expose()))
	if err != nil {
		return err
	}
	defer in.Close()
	params := []sqlserver.Param{
		{Name: "r", Type: sqlserver.Type{Kind: sqlserver.NVarChar, Size: 400}, Value: ref},
		{Name: "v", Type: sqlserver.Type{Kind: sqlserver.VarBinary, Size: sqlserver.Max}, Value: sealed}}
	if d, ok := in.(*driven); ok {
		return d.exec(ctx, l.renamed(storeStatement), params)
	}
	x := in.(*sqlserver.Session)
	var failed refusals
	x.Request(ctx, func(ctx context.Context) {
		x.Batch(ctx, l.renamed(storeStatement), params, &failed)
	})
	return failed.first
}

// refusals keeps the first error.
type refusals struct{ first error }

func (*refusals) Columns([]sqlserver.Column)                {}
func (*refusals) Row([]any)                                 {}
func (*refusals) Done(int64, bool)                          {}
func (*refusals) Using(string)                              {}
func (*refusals) Transaction(sqlserver.Transaction, uint64) {}
func (r *refusals) Message(e *sqlserver.Error) {
	if e.Class > 10 && r.first == nil {
		r.first = e
	}
}
