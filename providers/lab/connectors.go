package lab

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What the lab's document says of connectors: the version of their secrets that is live when it starts, and the one that
// it asks for.
const OldConnector, NewConnector = "3", "4"

// connector is a connection to a source system: its secret's reference, and the passwords that the source takes.
type connector struct {
	id, name, kind string
	ref            string
	old, next      string
	accepts        []string
}

// newConnectors are the declared ones. The first two are there in every lab.
func newConnectors(n int) []*connector {
	all := []*connector{
		{id: connectorID(1), name: "ad", kind: "Ldap", ref: "secret://ad/svc-imadmin/password"},
		{id: connectorID(2), name: "hr-source", kind: "Sql", ref: "secret://sql/hr-source/password"},
	}
	for i := 3; i <= n; i++ {
		name := fmt.Sprintf("app-%04d", i)
		all = append(all, &connector{id: connectorID(16 + i), name: name, kind: "Rest", ref: "secret://app/" + name + "/token"})
	}
	for _, c := range all {
		c.old, c.next = random(18), random(18)
		c.accepts = []string{c.old, c.next} // who changed it there left the old one valid for a while
	}
	return all
}

func connectorID(n int) string { return fmt.Sprintf("6F9619FF-8B86-4D01-B42D-00C04FC9%04X", 0x64F0+n) }

// connectorTables are what the product keeps in its database: connectors, and their secrets, sealed for the Engine host. One
// secret is of a connector that is gone, and one connector has no secret.
func (l *Lab) connectorTables() []string {
	batches := []string{
		`CREATE TABLE dbo.IM_Connectors (
		ConnectorId uniqueidentifier NOT NULL CONSTRAINT PK_IM_Connectors PRIMARY KEY,
		Name nvarchar(200) NOT NULL,
		Kind nvarchar(50) NOT NULL,
		IsEnabled bit NOT NULL DEFAULT 1)`,
		`CREATE TABLE dbo.IM_Secrets (
		SecretRef nvarchar(400) NOT NULL CONSTRAINT PK_IM_Secrets PRIMARY KEY,
		Value varbinary(max) NOT NULL,
		UpdatedOn datetime2(7) NOT NULL DEFAULT SYSUTCDATETIME())`,
	}
	named, stored := []string{fmt.Sprintf("('%s', N'crm', N'Rest')", connectorID(3))}, []string{storedRow("secret://hr/old/sftp", l.sealed("forgotten"), 900)}
	for i, c := range l.connectors {
		named = append(named, fmt.Sprintf("('%s', N'%s', N'%s')", c.id, c.name, c.kind))
		stored = append(stored, storedRow(c.ref, l.sealed(c.old), 120-40*(i%3)))
	}
	for i := range l.config.MoreSecrets {
		stored = append(stored, storedRow(fmt.Sprintf("secret://else/%05d", i), []byte{1}, 10))
	}
	for some := range slices.Chunk(named, 500) {
		batches = append(batches, "INSERT dbo.IM_Connectors (ConnectorId, Name, Kind) VALUES "+strings.Join(some, ", "))
	}
	for some := range slices.Chunk(stored, 500) {
		batches = append(batches, "INSERT dbo.IM_Secrets (SecretRef, Value, UpdatedOn) VALUES "+strings.Join(some, ", "))
	}
	for i, b := range batches {
		batches[i] = l.renamed(b)
	}
	return batches
}

// OtherTables are names that the tables of connectors and secrets, and their columns, may have instead.
var OtherTables = map[string]string{"dbo.IM_Secrets": "dbo.[Vault items]", "SecretRef": "[Item]", "UpdatedOn": "[Changed at]", "dbo.IM_Connectors": "dbo.Sources", "ConnectorId": "SourceKey", "Name": "Title"}

// renamed is a statement with the names that the tables have here.
func (l *Lab) renamed(statement string) string {
	if !l.config.Renamed {
		return statement
	}
	return tableNames.ReplaceAllStringFunc(statement, func(name string) string { return OtherTables[name] })
}

var tableNames = regexp.MustCompile(`dbo\.IM_(Secrets|Connectors)\b|\b(SecretRef|UpdatedOn|ConnectorId|Name)\b`)

func storedRow(ref string, sealed []byte, days int) string {
	return fmt.Sprintf("(N'%s', 0x%s, DATEADD(day, -%d, SYSUTCDATETIME()))", ref, hex.EncodeToString(sealed), days)
}

// cipherOf is under a key of the Engine host's machine, as DPAPI's are: no other machine opens what it has sealed.
func (l *Lab) cipherOf() cipher.AEAD {
	id, since := guid(engineHost), installed
	if l.EngineHost != nil { // it is there
		id, since = l.EngineHost.Machine.Whose()
	}
	key := sha256.Sum256(fmt.Appendf(nil, "machine key %d of %s since %s", l.images.Load(), id, since.UTC().Format(time.RFC3339)))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func (l *Lab) sealed(value string) []byte {
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce) // never fails
	return l.cipherOf().Seal(nonce, nonce, []byte(value), nil)
}

func (l *Lab) unsealed(blob []byte) (string, bool) {
	if len(blob) < 12 {
		return "", false
	}
	value, err := l.cipherOf().Open(nil, blob[:12], blob[12:], nil)
	return string(value), err == nil
}

// Stored is what IM_Secrets holds of a reference, opened as Engine opens it, and when it was set. ok is false when there is
// none, or when it does not open.
func (l *Lab) Stored(ref string) (value string, updated time.Time, ok bool) {
	return l.storedIn(l.storedSecrets(ref), ref)
}

type storedSecret struct {
	blob    []byte
	updated time.Time
}

// storedSecrets are those of the references, or all where there are none.
func (l *Lab) storedSecrets(refs ...string) map[string]storedSecret {
	all, where := map[string]storedSecret{}, ""
	if len(refs) > 0 {
		quoted := strings.NewReplacer("'", "''", "\n", "', N'").Replace(strings.Join(refs, "\n")) // no reference has a line break
		where = " WHERE SecretRef IN (N'" + quoted + "')"
	}
	if s := l.SQLInstance(); s != nil {
		for _, row := range s.Ask(Database, l.renamed("SELECT SecretRef, Value, UpdatedOn FROM dbo.IM_Secrets"+where)) {
			ref, _ := row[0].(string)
			blob, _ := row[1].([]byte)
			updated, _ := row[2].(time.Time)
			all[ref] = storedSecret{blob, updated}
		}
	}
	return all
}

func (l *Lab) storedIn(all map[string]storedSecret, ref string) (string, time.Time, bool) {
	s, there := all[ref]
	value, opens := l.unsealed(s.blob)
	return value, s.updated, there && opens
}

// Refs are the references of the declared connectors, in order.
func (l *Lab) Refs() []string {
	var refs []string
	for _, c := range l.connectors {
		refs = append(refs, c.ref)
	}
	return refs
}

// ConnectorSecrets are the old and the new value of a declared connector.
func (l *Lab) ConnectorSecrets(ref string) (old, next string) {
	for _, c := range l.connectors {
		if c.ref == ref {
			return c.old, c.next
		}
	}
	return "", ""
}

// Accept says which values the source system of a connector takes from now on.
func (l *Lab) Accept(ref string, values ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.connectors {
		if c.ref == ref {
			c.accepts = values
		}
	}
}

// synced is the latest sync run of a connector: Engine reads its secret, opens it and signs in at the source. Runs begin at
// regular times after Engine's start. why it failed is "" when it did not.
func (l *Lab) synced(c *connector, all map[string]storedSecret, since, now time.Time) (began time.Time, why string) {
	if since.IsZero() || now.Before(since.Add(l.timing.Sync)) {
		return began, ""
	}
	began = since.Add(now.Sub(since).Truncate(l.timing.Sync))
	value, updated, opens := l.storedIn(all, c.ref)
	switch {
	case updated.After(began): // what it found then nobody knows any more
		return began, ""
	case !opens:
		return began, "Key not valid for use in specified state. (0x8009000B)"
	case !slices.Contains(c.accepts, value):
		return began, "The source system refused the credentials."
	}
	return began, ""
}

// Reticent says whether Admin leaves out why sync runs fail.
func (l *Lab) Reticent(is bool) { l.reticent.Store(is) }

// Works is whether the sync runs of a connector end well with what is stored now.
func (l *Lab) Works(ref string) bool {
	value, _, ok := l.Stored(ref)
	return ok && l.Takes(ref, value)
}

// Takes is whether the source system of a connector takes a value.
func (l *Lab) Takes(ref, value string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.connectors, func(c *connector) bool { return c.ref == ref })
	return i >= 0 && slices.Contains(l.connectors[i].accepts, value)
}

// getConnectors shows the latest sync run of each connector. That the product has such an answer is an assumption.
func (l *Lab) getConnectors(w http.ResponseWriter, _ *http.Request) {
	if !l.database.admin.healthy() {
		http.Error(w, "An error occurred while processing your request.", http.StatusInternalServerError)
		return
	}
	all, since, now := l.storedSecrets(l.Refs()...), l.database.engine.since(), time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []map[string]any{{"connectorId": strings.ToLower(connectorID(3)), "name": "crm"}}
	for _, c := range l.connectors {
		one := map[string]any{"connectorId": strings.ToLower(c.id), "name": c.name}
		if began, why := l.synced(c, all, since, now); !began.IsZero() {
			one["lastSyncStartedUtc"], one["lastSyncStatus"] = began.UTC(), map[bool]string{true: "Succeeded", false: "Failed"}[why == ""]
			if why != "" && !l.reticent.Load() {
				one["lastSyncError"] = why
			}
		}
		list = append(list, one)
	}
	answer(w, list)
}

// connectorEnv begins the names of the variables that hold the connectors' new secrets.
const connectorEnv = "IM_LAB_SECRET_"

// connectorsSection is what the document says of the connectors' secrets.
func (l *Lab) connectorsSection() string {
	if l.config.Connectors == 0 {
		return ""
	}
	version := NewConnector
	if l.config.Converged {
		version = OldConnector
	}
	var b strings.Builder
	b.WriteString("  connectors:\n    syncs: {path: /api/connectors, timeout: 2m}\n    secrets:\n")
	for i, c := range l.connectors {
		fmt.Fprintf(&b, "      - {ref: %q, connector: %s, version: %s, from: {env: %s%d}, every: 180d}\n", c.ref, c.name, version, connectorEnv, i+1)
	}
	return b.String()
}
