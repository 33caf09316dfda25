package winhost

import "meshrotate/reconciler/secret"

// SQLSignIn opens one connection to SQL Server from the host, unpooled, with a connection string, and asks where it leads. It is
// done by the client that Windows has (System.Data.SqlClient), not by the product's. A host without it answers Unsupported.
type SQLSignIn struct {
	// TimeoutSeconds bounds the wait, 0 means 15.
	TimeoutSeconds int          `json:"timeoutSeconds"`
	Text           secret.Value `json:"-"`
}

// SQLAnswer is what came of it.
type SQLAnswer struct {
	Accepted bool `json:"accepted"`
	// Numbers are the errors' when it was not accepted: the server's own, or the client's where no server answered.
	Numbers []int32 `json:"numbers"`
	// Instance, Login, User and Database are where one was, and as whom.
	Instance string `json:"instance"`
	Login    string `json:"login"`
	User     string `json:"user"`
	Database string `json:"database"`
}

// SQLReach asks whether a sign-in from the host could come about: nobody signs in.
type SQLReach struct {
	Server string `json:"server"`
	Port   uint16 `json:"port"`
	// TimeoutSeconds bounds the wait, 0 means 5.
	TimeoutSeconds int `json:"timeoutSeconds"`
}

// Reached is what SQLReach found.
type Reached struct {
	// Client: the host has the client that SQLSignIn needs.
	Client bool `json:"client"`
	// Error is the number of Windows Sockets that a connection to the port met, 0 for none.
	Error uint32 `json:"error"`
}

func (o SQLReach) Name() string   { return "sql.reach" }
func (o SQLReach) Object() string { return "" }
func (o SQLReach) Looks() bool    { return true }

func (o SQLSignIn) Name() string                        { return "sql.signIn" }
func (o SQLSignIn) Object() string                      { return "" }
func (o SQLSignIn) Looks() bool                         { return true }
func (o SQLSignIn) blob() (secret.Value, bool)          { return o.Text, true }
func (o *SQLSignIn) take(v secret.Value, ok bool) error { return needed(&o.Text, v, ok) }
