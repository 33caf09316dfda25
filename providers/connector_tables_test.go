package providers_test

import (
	"testing"

	"meshrotate/providers/lab"
	"meshrotate/providers/rotations/connector"
)

// The secrets stand in tables of other names, and so do their columns: read, set and proven as ever.
func TestConnectorsInOtherTables(t *testing.T) {
	vendor()
	virtual(t, func(t *testing.T) {
		w := newWorldAt(t, lab.Config{Relays: 1, Memory: true, Drivers: true, Connectors: 2, Renamed: true}, "connector")
		w.refused("secrets-unreadable", "IM_Secrets")
		w.connectorSpec().Tables = connector.Tables{Secrets: "dbo.Vault items", Ref: "Item", Updated: "Changed at", Connectors: "Sources", ID: "SourceKey", Name: "Title"}
		w.connectsAfter()
	})
}
