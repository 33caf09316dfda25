package connect

import (
	"context"
	"strings"

	"meshrotate/providers/negotiate"
	"meshrotate/reconciler/secret"
)

// changePassword lets an account change its own password, in the realm that it names, or in WinRM's.
func (c *connector) changePassword(ctx context.Context, account string, old, next secret.Value) (was bool, err error) {
	config := negotiate.KerberosConfig{User: account, Password: old}
	if k := c.d.Connect.WinRM.Kerberos; k != nil {
		config.File = k.Config
		if !strings.Contains(account, "@") {
			config.Realm = k.Realm
		}
	}
	return negotiate.ChangePassword(ctx, config, next)
}
