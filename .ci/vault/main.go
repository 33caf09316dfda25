// Command vault-core is a real Vault core in memory, on loopback, for tests: KV, AppRole and Kubernetes. It prints where it listens and its
// root token, one a line, and ends when its standard input does. It is a module of its own: it links a large part of Vault 1.14.1, the last
// release under the Mozilla Public License.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	ctx, logger := context.Background(), hclog.New(&hclog.LoggerOptions{Output: os.Stderr, Level: hclog.Warn})
	disk, err := inmem.NewInmem(nil, logger)
	check(err)
	core, err := vault.NewCore(&vault.CoreConfig{Physical: disk, DisableMlock: true, Logger: logger, BuiltinRegistry: none{},
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory, "kubernetes": kubernetes.Factory}})
	check(err)
	barrier := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	keys, err := core.Initialize(ctx, &vault.InitParams{BarrierConfig: barrier, RecoveryConfig: barrier})
	check(err)
	for _, share := range keys.SecretShares {
		_, err = core.Unseal(share)
		check(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Printf("http://%s\n%s\n", listener.Addr(), keys.RootToken)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	check(http.Serve(listener, vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core, ListenerConfig: &configutil.Listener{}})))
}

// none has no plugins beside the backends that the core is given.
type none struct{}

func (none) Contains(string, consts.PluginType) bool                           { return false }
func (none) Get(string, consts.PluginType) (func() (interface{}, error), bool) { return nil, false }
func (none) Keys(consts.PluginType) []string                                   { return nil }
func (none) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, false
}

func (none) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
