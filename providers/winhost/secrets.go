package winhost

import "meshrotate/reconciler/secret"

// SecretsLook looks at a program of the host that fills a store of secrets: is it there, does its help offer --stdin or
// --value-file, and would the host log what is on its command line?
type SecretsLook struct {
	Program        string `json:"program"`
	TimeoutSeconds int    `json:"timeoutSeconds"`
}

// SecretsSet lets the program set a value: `set REF --stdin`, with the value on standard input and no newline after it, or
// `set REF --value-file PATH`, or `set REF VALUE`. The file has access rules before it has a content, for SYSTEM, Administrators and
// whom the program runs as, and is gone before the answer. What the program writes may hold the value and stays on the host, but for its length. That it ends with 0 proves
// nothing.
type SecretsSet struct {
	Program string `json:"program"`
	Ref     string `json:"ref"`
	// File puts the value into a file, Argument on the command line, where others can see it.
	File           bool         `json:"file"`
	Argument       bool         `json:"argument"`
	TimeoutSeconds int          `json:"timeoutSeconds"`
	Value          secret.Value `json:"-"`
}

// SecretsList asks whether `list` names a reference. Several in one request are answered by one run of the program.
type SecretsList struct {
	Program        string `json:"program"`
	Ref            string `json:"ref"`
	TimeoutSeconds int    `json:"timeoutSeconds"`
}

// Secrets is what a host says about such a program.
type Secrets struct {
	// Exists says that the program is there. The rest of a look is unknown when it is not.
	Exists bool `json:"exists"`
	// Stdin says that its help offers --stdin.
	Stdin Answer `json:"stdin"`
	// File says that it offers --value-file.
	File Answer `json:"file"`
	// Left is how many files with a value lie beside the program: whoever wrote them was ended before it could delete them. The
	// next SecretsSet does.
	Left int `json:"left"`
	// CommandLines says that the host's process auditing records command lines (event 4688), Sysmon that Sysmon is
	// installed, which does too.
	CommandLines Answer `json:"commandLines"`
	Sysmon       Answer `json:"sysmon"`
	// Listed answers SecretsList.
	Listed Answer `json:"listed"`
	// Exit is how the program ended, Output how many characters it wrote.
	Exit   uint32 `json:"exit"`
	Output int    `json:"output"`
}

func (o SecretsSet) blob() (secret.Value, bool)          { return o.Value, true }
func (o *SecretsSet) take(v secret.Value, ok bool) error { return needed(&o.Value, v, ok) }

func (o SecretsLook) Name() string   { return "secrets.look" }
func (o SecretsLook) Object() string { return o.Program }
func (o SecretsLook) Looks() bool    { return true }
func (o SecretsSet) Name() string    { return "secrets.set" }
func (o SecretsSet) Object() string  { return o.Ref }
func (o SecretsSet) Looks() bool     { return false }
func (o SecretsList) Name() string   { return "secrets.list" }
func (o SecretsList) Object() string { return o.Ref }
func (o SecretsList) Looks() bool    { return true }
