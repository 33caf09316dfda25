// Package specs is the desired state: one YAML document per IdentityMesh deployment.
//
// It knows the document's frame: hosts, how to reach them, policy, the product's paths and names. What stands under
// `secrets:` belongs to the rotations: each gives a Section with its own type, so that an eighth secret needs no
// change here. Loading is strict and contacts nothing: every mistake in a document is reported at once, each with
// its file, line and a hint. No message repeats a text that may be a secret written in the wrong place.
//
// Who may say what of it is package trust's, and who signed its commit package signed's.
//
// A document passes four gates: its bytes and YAML nodes (tree.go), the JSON Schema (schema.go), strict decoding
// into the types (load.go), and the checks that no schema can express (check.go, then each Section's own).
package specs

import "time"

// APIVersion is the only version of the document so far.
const APIVersion = "meshrotate/v1"

// Deployment is one document, with every default filled in.
type Deployment struct {
	// APIVersion is the version of this document's form.
	APIVersion string `json:"apiVersion" jsonschema:"required,enum=meshrotate/v1" trust:"wanted"`
	// Kind is always Deployment.
	Kind string `json:"kind" jsonschema:"required,enum=Deployment" trust:"wanted"`
	// Name names the deployment in plans and in the ledger: small letters, digits and hyphens.
	Name string `json:"name" jsonschema:"required,minLength=1,maxLength=63,pattern=^[a-z0-9]([a-z0-9-]*[a-z0-9])?$,example=contoso-prod" trust:"deployment"`
	// Hosts are the machines of the deployment.
	Hosts Hosts `json:"hosts" jsonschema:"required"`
	// Connect says how to reach them, and the Admin API.
	Connect Connect `json:"connect,omitzero"`
	// Secrets is what is rotated, one key for each kind of secret.
	//
	// It holds what the Sections gave, decoded into their own types (pointers), by their keys.
	Secrets map[string]any `json:"secrets" jsonschema:"required"`
	// Policy is what the deployment's owners allow.
	Policy Policy `json:"policy,omitzero"`
	// Product names the product's files, keys, services and endpoints where they differ from the runbook's.
	Product Product `json:"product,omitzero"`
	// State says where the ledger, the lease and the sealed values are kept.
	State State `json:"state,omitzero"`

	// Origin says where the document came from. It is not part of the document.
	Origin Origin `json:"-"`
}

// Origin is where a document came from.
type Origin struct {
	// File is as the user named it, or the path inside the repository.
	File string
	// Dir is the folder against which relative file references resolve; empty for a Git revision.
	Dir string
	// Commit is the full hash when the document came from a Git revision, or from a file of a work tree that is as
	// HEAD has it. Empty means unknown. It says nothing about the files that the document refers to.
	Commit string
	// ReadFile reads a regular file that the document refers to (a sealed value, a public key), from the same place.
	ReadFile func(path string) ([]byte, error) `json:"-"`

	// Trust is the trusted side for people: main at 4f2a91c. Empty: everything in the document is believed.
	Trust string
	// Trusted reads what of the trusted side the document refers to: authorities, keys, credentials. Nil is ReadFile.
	Trusted func(path string) ([]byte, error) `json:"-"`
	// Files is a digest of the files that the document names and that are trusted: authorities, keys, signers. "" where it names none.
	Files string
	// Signed is who signed the commit, for people; Unsigned is why nobody has who may. Both are empty where nobody need.
	Signed   string
	Unsigned *Doubt
	// Doubts are what the document as it was written says, and the trusted side does not. None of it is in force.
	Doubts []Doubt
	// Changed is what the base has otherwise, and an operator's file allows: it is in force.
	Changed []Doubt
	// Unagreed says that the trusted side has nothing to say in place of what is in doubt: nothing may be contacted.
	Unagreed bool
}

// Doubt is something that a document says and nobody who may has agreed to.
type Doubt struct {
	Path       string
	Text, Hint string
	// Blocks: it is not only policy that loosens.
	Blocks bool
}

// ReadTrusted reads a file that the trusted side names.
func (o Origin) ReadTrusted(path string) ([]byte, error) {
	switch {
	case o.Trusted != nil:
		return o.Trusted(path)
	case o.ReadFile != nil:
		return o.ReadFile(path)
	}
	return ReadReferred(path)
}

// Hosts are the machines.
type Hosts struct {
	// Admin is the host of IdentityMesh Admin.
	Admin string `json:"admin" jsonschema:"required,minLength=1,example=im-admin.contoso.example" trust:"host"`
	// Engine is the host of the sync engine. Left out: the Admin host.
	Engine string `json:"engine,omitempty" jsonschema:"minLength=1" trust:"host"`
	// Build is the host that builds and signs connector packages. Left out: there is none.
	Build string `json:"build,omitempty" jsonschema:"minLength=1" trust:"host"`
	// Relays are the relay hosts; a range such as relay-[01..12].contoso.example stands for twelve of them.
	Relays []string `json:"relays,omitempty" jsonschema:"minLength=1" trust:"host"`
}

// Policy is what the deployment's owners allow.
type Policy struct {
	// Unreachable says which relays a rotation may leave behind.
	Unreachable Unreachable `json:"unreachable,omitzero"`
	// Parallel is the most hosts that are spoken to at once, but for the switch: there all may be. It begins with fewer.
	Parallel int `json:"parallel,omitempty" jsonschema:"minimum=1,maximum=10000,default=500" trust:"wanted"`
	// PlanTTL is how long a saved plan may be applied.
	PlanTTL Duration `json:"planTtl,omitzero" jsonschema:"default=24h" trust:"less"`
	// HostTimeout bounds one look or one batch on one host: at least 10s. A batch that waits for services has the time that they are given, where
	// that is longer.
	HostTimeout Duration `json:"hostTimeout,omitzero" jsonschema:"default=5m" trust:"more"`
	// Patience is how long a host that was lost within a run is asked again before its silence means anything.
	Patience Duration `json:"patience,omitzero" jsonschema:"default=1m" trust:"more"`
	// TrustedSigners are files with the keys of who may sign what is applied: OpenPGP keys in armour, or allowed_signers as
	// ssh-keygen has it. It counts where there is a trusted side, and there alone.
	TrustedSigners []string `json:"trustedSigners,omitempty" jsonschema:"minLength=1" trust:"signer"`
	// Silence are findings that are known and accepted for a while. They are still shown, as silenced; one that refuses, and
	// one about what is remembered, what is down, or what others know, is not silenced.
	Silence []Silence `json:"silence,omitempty" trust:"less"`
	// Window are the times in which apply changes anything, as "Mon-Fri 22:00-04:00 Europe/Zurich": days (Mon-Fri, Sat,Sun or daily),
	// hours by the clock on the wall there, and the zone. Left out: always. A run that has begun is finished.
	Window []string `json:"window,omitempty" jsonschema:"minLength=1,example=Mon-Fri 22:00-04:00 Europe/Zurich" trust:"guard"`
	// Suspend is a time in which apply changes nothing.
	Suspend *Suspension `json:"suspend,omitempty" trust:"guard"`
	// MaxOutage is the longest outage that apply may plan, of anything and of anybody. Left out: any.
	MaxOutage Duration `json:"maxOutage,omitzero" trust:"guard"`
}

// Silence is one finding that is known and accepted for a while.
type Silence struct {
	// Finding is its name, as it stands in brackets: clock-skew. `meshrotate explain` lists all.
	Finding string `json:"finding" jsonschema:"required,minLength=1,maxLength=100" trust:"less,key"`
	// Host is the one, or the range, that it is silenced for; left out: all. A finding about several hosts is silenced once it
	// is for each of them.
	Host string `json:"host,omitempty" jsonschema:"minLength=1" trust:"less,all"`
	// Why it is accepted, for whoever reads the plan.
	Why string `json:"why" jsonschema:"required,minLength=1,maxLength=500" trust:"less"`
	// Until is the last day, UTC, as 2026-12-31: after it the finding is back.
	Until string `json:"until" jsonschema:"required,pattern=^[0-9]{4}-[0-9]{2}-[0-9]{2}$" trust:"less"`
}

// Ends is the moment at which it is over.
func (s Silence) Ends() time.Time { return dayAfter(s.Until) }

// Unreachable says which relays a rotation may leave behind. Without it, one unreachable relay refuses the rotation.
type Unreachable struct {
	// Tolerate names relays that may be unreachable; ranges are allowed.
	Tolerate []string `json:"tolerate,omitempty" jsonschema:"minLength=1" trust:"less"`
	// Count is how many relays, whichever they are, may be unreachable.
	Count int `json:"count,omitempty" jsonschema:"minimum=0,maximum=10000" trust:"less"`
}

// State says where the ledger, the lease and the sealed values are kept: in a folder, in a database, or on a branch.
type State struct {
	// Dir holds ledger.jsonl, lease.json and values/; where git keeps them, what a run has not pushed yet. It is relative to the document.
	Dir string `json:"dir,omitempty" jsonschema:"minLength=1,default=.meshrotate" trust:"state"`
	// SQL keeps all of this in a database instead, which several machines can share.
	SQL *StateSQL `json:"sql,omitempty"`
	// Git keeps all of this on a branch of a Git repository instead.
	Git *StateGit `json:"git,omitempty"`
	// Marker is the file on the Admin host that shows operators with other state folders that a run is at work.
	Marker string `json:"marker,omitempty" jsonschema:"minLength=1" trust:"state"`
	// Seal says which age identity seals kept values. Left out: the one in MESHROTATE_AGE_IDENTITY.
	Seal *Seal `json:"seal,omitempty"`
}

// Seal is the age identity (https://age-encryption.org) that seals kept values.
type Seal struct {
	// Identity is the age identity. Left out: the environment variable MESHROTATE_AGE_IDENTITY.
	Identity *Source `json:"identity,omitempty" trust:"credential"`
	// Recipients are further age public keys that can open kept values: an escrow, a colleague.
	Recipients []string `json:"recipients,omitempty" jsonschema:"minLength=1" trust:"state"`
}
