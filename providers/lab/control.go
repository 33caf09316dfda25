package lab

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// A running lab can be told to break things from another terminal: it listens on loopback and leaves the address and
// a token in its folder.
type control struct {
	Address string `json:"address"`
	Token   string `json:"token"`
}

const controlFile = "control.json"

// ServeControl lets Command reach this lab.
func (l *Lab) ServeControl() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c := control{Address: ln.Addr().String(), Token: random(24)}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(l.config.Dir, controlFile), b, 0o600); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(c.Token)) != 1 {
			http.Error(w, "wrong token", http.StatusForbidden)
			return
		}
		var args []string
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&args); err != nil {
			http.Error(w, "not a command", http.StatusBadRequest)
			return
		}
		text, err := l.command(args)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		_, _ = io.WriteString(w, text)
	})
	l.control = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = l.control.Serve(ln) }() // ends with Close
	return nil
}

func (l *Lab) command(args []string) (string, error) {
	switch {
	case len(args) == 1 && args[0] == "show":
		return l.Show(), nil
	case len(args) == 1 && args[0] == "stats":
		b, err := json.Marshal(l.Stats())
		return string(b), err
	case len(args) == 3 && args[0] == "break":
		return l.Break(args[1], args[2])
	}
	return "", fmt.Errorf("the lab knows no such command")
}

// Command sends a command to the lab that runs with this folder.
func Command(ctx context.Context, dir string, args ...string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, controlFile))
	if err != nil {
		return "", fmt.Errorf("no lab runs in %s: %w", dir, err)
	}
	var c control
	if err := json.Unmarshal(b, &c); err != nil {
		return "", fmt.Errorf("%s: %w", controlFile, err)
	}
	body, err := json.Marshal(args)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.Address+"/", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", c.Token)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("the lab in %s does not answer: %w", dir, err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s", bytes.TrimSpace(text))
	}
	return string(text), nil
}
