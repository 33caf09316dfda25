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

func (o SQLSignIn) Name() string                        { return "sql.signIn" }
func (o SQLSignIn) Object() string                      { return "" }
func (o SQLSignIn) Looks() bool                         { return true }
func (o SQLSignIn) blob() (secret.Value, bool)          { return o.Text, true }
func (o *SQLSignIn) take(v secret.Value, ok bool) error { return needed(&o.Text, v, ok) }
