package providers_test

import (
	"strings"
	"testing"

	"meshrotate/providers"
	"meshrotate/reconciler"
	"meshrotate/specs"
)

// What the runbook says cannot be rotated is refused by its name, with the reason and what to do.
func TestWhatNobodyRotates(t *testing.T) {
	const frame = "apiVersion: meshrotate/v1\nkind: Deployment\nname: x\nhosts: {admin: a.example}\nconnect: {winrm: {user: a, password: {env: A}}}\nsecrets:\n  "
	for key, says := range map[string]string{
		"dpapi": "tied to the Windows profile", "DPAPI-master-keys": "apply sets every connector's secret there again", "dpapiMasterKey": "so is its host",
		"efMigrationHistory": "the schema is the schema", "migration_history": "leave it out", "jwtIssuers": "identity provider", "jwtIssuerKeys": "identity provider", "jwt": "24 hours",
	} {
		_, err := specs.Load("x.yaml", []byte(frame+key+": {version: 1, from: generated}\n"), providers.Sections())
		if err == nil || !strings.Contains(err.Error()+reconciler.HintOf(err), says) || strings.Contains(err.Error(), "unknown key") {
			t.Errorf("%s: %v (%s)", key, err, reconciler.HintOf(err))
		}
	}
}
