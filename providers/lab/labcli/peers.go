package labcli

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/masterzen/winrm"
	"github.com/spf13/cobra"

	"meshrotate/providers/lab"
	"meshrotate/reconciler/cli"
)

// Peer is another client of WinRM. It ran `hostname` over sealed NTLM on hosts of the same lab, which is less than a plan does there.
type Peer struct {
	Name string `json:"name"`
	// Absent is why it was not measured.
	Absent             string  `json:"absent,omitempty"`
	Hosts              int     `json:"hosts,omitempty"`
	Failed             int     `json:"failed,omitempty"`
	ClientCPUMSPerHost float64 `json:"client_cpu_ms_per_host,omitempty"` // its start included
}

var (
	//go:embed peer_pywinrm.py
	pywinrm string
	//go:embed peer_openssl.cnf
	openssl []byte
)

// peers measures those that are on PATH, on some of the lab's hosts.
func (f benchFlags) measurePeers(ctx context.Context, l *child) ([]Peer, error) {
	document, err := os.ReadFile(filepath.Join(l.dir, "meshrotate.yaml"))
	if err != nil {
		return nil, err
	}
	var addresses []string
	for _, m := range regexp.MustCompile(`address: "([^"]+)"`).FindAllSubmatch(document, f.peers) {
		addresses = append(addresses, string(m[1]))
	}
	inventory := filepath.Join(l.dir, "inventory")
	if err := os.WriteFile(inventory, ansibleHosts(addresses), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(l.dir, legacy), openssl, 0o600); err != nil {
		return nil, err
	}
	python, absent := withWinRM(ctx)
	all := []Peer{l.peer(ctx, "pywinrm", absent, addresses, python, "-c", pywinrm)}
	absent = ""
	if _, err := exec.LookPath("ansible"); err != nil {
		absent = "ansible is not on PATH"
	}
	all = append(all, l.peer(ctx, "ansible raw", absent, addresses, "ansible", "all", "--inventory", inventory, "--module-name", "raw", "--args", "hostname", "--forks", "50"))
	return append(all, l.peer(ctx, "masterzen/winrm", "", addresses, l.self, masterzen)), nil
}

// withWinRM finds a Python that has pywinrm: a system's own, when another one comes first on PATH.
func withWinRM(ctx context.Context) (python, absent string) {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if path, err := exec.LookPath(name); err == nil && exec.CommandContext(ctx, path, "-c", "import winrm, requests_ntlm").Run() == nil {
			return path, ""
		}
	}
	return "", "no python3 on PATH has pywinrm"
}

func ansibleHosts(addresses []string) []byte {
	var b bytes.Buffer
	for i, a := range addresses {
		host, port, _ := strings.Cut(a, ":")
		fmt.Fprintf(&b, "h%d ansible_host=%s ansible_port=%s\n", i, host, port)
	}
	fmt.Fprintf(&b, "[all:vars]\nansible_connection=winrm\nansible_winrm_transport=ntlm\nansible_winrm_scheme=http\nansible_winrm_message_encryption=always\n"+
		"ansible_user=%s\\%s\nansible_password=\"{{ lookup('env', 'IM_LAB_PASSWORD') }}\"\n", lab.Domain, lab.User)
	return b.Bytes()
}

// peer runs one with the addresses on its standard input. It says on how many hosts it succeeded as {"ok":n}, or a
// line for each.
func (l *child) peer(ctx context.Context, name, absent string, addresses []string, program string, args ...string) Peer {
	if absent != "" {
		return Peer{Name: name, Absent: absent}
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = l.dir, append(os.Environ(), append(l.env, "OPENSSL_CONF="+legacy, "no_proxy=*", "PYTHONWARNINGS=ignore", "ANSIBLE_HOME="+l.dir, "ANSIBLE_LOCAL_TEMP="+l.dir)...)
	cmd.Stdin = strings.NewReader(strings.Join(addresses, "\n"))
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		return Peer{Name: name, Absent: err.Error()}
	}
	var said struct{ OK int }
	if json.Unmarshal(out, &said) != nil {
		said.OK = bytes.Count(out, []byte("| rc=")) // Ansible wraps it in PowerShell, whose exit code here says that the lab has none
	}
	n := len(addresses)
	return Peer{Name: name, Hosts: n, Failed: n - said.OK, ClientCPUMSPerHost: milliseconds(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()) / float64(n)}
}

// legacy is the file that lets OpenSSL 3 have NTLM's hash.
const legacy = "openssl.cnf"

// masterzen is the name of the hidden verb that is github.com/masterzen/winrm's client in a process of its own.
const masterzen = "bench-peer"

func masterzenCommand(io cli.Stdio) *cobra.Command {
	return &cobra.Command{Use: masterzen, Hidden: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		var addresses bytes.Buffer
		if _, err := addresses.ReadFrom(io.In); err != nil {
			return err
		}
		var ok atomic.Int64
		var wg sync.WaitGroup
		for a := range strings.FieldsSeq(addresses.String()) {
			wg.Go(func() {
				if viaMasterzen(cmd.Context(), a) == nil {
					ok.Add(1)
				}
			})
		}
		wg.Wait()
		return json.NewEncoder(io.Out).Encode(map[string]int64{"ok": ok.Load()})
	}}
}

func viaMasterzen(ctx context.Context, address string) error {
	host, port, _ := strings.Cut(address, ":")
	var number int
	if _, err := fmt.Sscan(port, &number); err != nil {
		return err
	}
	sealing, err := winrm.NewEncryption("ntlm")
	if err != nil {
		return err
	}
	params := *winrm.DefaultParameters
	params.TransportDecorator = func() winrm.Transporter { return sealing }
	client, err := winrm.NewClientWithParameters(winrm.NewEndpoint(host, number, false, false, nil, nil, nil, time.Minute), lab.Domain+`\`+lab.User, os.Getenv("IM_LAB_PASSWORD"), &params)
	if err != nil {
		return err
	}
	_, _, code, err := client.RunWithContextWithString(ctx, "hostname", "")
	if err == nil && code != 0 {
		err = fmt.Errorf("exit code %d", code)
	}
	return err
}
