package connstring

// keyword is a setting that Microsoft.Data.SqlClient 7.1 knows.
type keyword struct {
	name     string   // as the library itself writes it
	synonyms []string // in lower case, beside the name itself
	read     reader   // what the value must be, and its canonical form
	must     bool     // an absent value is an error to a connection, not the default
}

// reader makes of a value what .NET makes of it; false is a value that .NET refuses.
type reader func(value string) (string, bool)

// keywords are in the order in which the library lists them.
var keywords = []keyword{
	{name: DataSource, synonyms: []string{"addr", "address", "network address", "server"}, read: text},
	{name: FailoverPartner, synonyms: []string{"failoverpartner"}, read: text},
	{name: AttachDBFilename, synonyms: []string{"extended properties", "initial file name"}, read: text},
	{name: InitialCatalog, synonyms: []string{"database"}, read: text},
	{name: IntegratedSecurity, synonyms: []string{"trusted_connection"}, read: truthOrSSPI},
	{name: "Persist Security Info", synonyms: []string{"persistsecurityinfo"}, read: truth, must: true},
	{name: UserID, synonyms: []string{"uid", "user"}, read: text},
	{name: Password, synonyms: []string{"pwd"}, read: text},
	{name: "Enlist", read: truth, must: true},
	{name: "Pooling", read: truth, must: true},
	{name: minPoolSize, read: number(0, maxInt)},
	{name: maxPoolSize, read: number(1, maxInt)},
	{name: "Pool Blocking Period", synonyms: []string{"poolblockingperiod"}, read: oneOf("Auto", "AlwaysBlock", "NeverBlock"), must: true},
	{name: "Multiple Active Result Sets", synonyms: []string{"multipleactiveresultsets"}, read: truth, must: true},
	{name: "Replication", read: truth, must: true},
	{name: ConnectTimeout, synonyms: []string{"connection timeout", "connecttimeout", "timeout"}, read: number(0, maxInt)},
	{name: Encrypt, read: encryption},
	{name: HostNameInCertificate, synonyms: []string{"hostnameincertificate"}, read: text},
	{name: ServerCertificate, synonyms: []string{"servercertificate"}, read: text},
	{name: TrustServerCertificate, synonyms: []string{"trustservercertificate"}, read: truth, must: true},
	{name: "Load Balance Timeout", synonyms: []string{"connection lifetime"}, read: number(0, maxInt)},
	{name: "Connection Idle Timeout", read: number(0, maxInt)},
	{name: "Packet Size", synonyms: []string{"packetsize"}, read: number(512, 32768)},
	{name: typeSystemVersion, read: text},
	{name: Authentication, read: authentication},
	{name: ApplicationName, synonyms: []string{"app"}, read: text},
	{name: "Current Language", synonyms: []string{"language"}, read: text},
	{name: "Workstation ID", synonyms: []string{"workstationid", "wsid"}, read: text},
	{name: UserInstance, read: truth, must: true},
	{name: transactionBinding, read: text},
	{name: ApplicationIntent, synonyms: []string{"applicationintent"}, read: oneOf("ReadOnly", "ReadWrite"), must: true},
	{name: MultiSubnetFailover, synonyms: []string{"multisubnetfailover"}, read: truth, must: true},
	{name: "Connect Retry Count", synonyms: []string{"connectretrycount"}, read: number(0, 255)},
	{name: "Connect Retry Interval", synonyms: []string{"connectretryinterval"}, read: number(1, 60)},
	{name: ColumnEncryption, synonyms: []string{"columnencryption"}, read: oneOf("Disabled", "Enabled")},
	{name: "Enclave Attestation Url", read: text},
	{name: "Attestation Protocol", read: oneOf("AAS", "HGS", "None")},
	{name: "Command Timeout", read: number(0, maxInt)},
	{name: "IP Address Preference", synonyms: []string{"ipaddresspreference"}, read: oneOf("IPv4First", "IPv6First", "UsePlatformDefault")},
	{name: ServerSPN, synonyms: []string{"serverspn"}, read: text},
	{name: "Failover Partner SPN", synonyms: []string{"failoverpartnerspn"}, read: text},
	{name: ContextConnection, read: onlyFalse, must: true},
}

// The keywords that are asked for by name, as the library writes them.
const (
	DataSource             = "Data Source"
	InitialCatalog         = "Initial Catalog"
	UserID                 = "User ID"
	Password               = "Password"
	IntegratedSecurity     = "Integrated Security"
	Authentication         = "Authentication"
	Encrypt                = "Encrypt"
	TrustServerCertificate = "Trust Server Certificate"
	HostNameInCertificate  = "Host Name In Certificate"
	ServerCertificate      = "Server Certificate"
	ApplicationIntent      = "Application Intent"
	ApplicationName        = "Application Name"
	MultiSubnetFailover    = "Multi Subnet Failover"
	FailoverPartner        = "Failover Partner"
	AttachDBFilename       = "AttachDbFilename"
	UserInstance           = "User Instance"
	ConnectTimeout         = "Connect Timeout"
	ServerSPN              = "Server SPN"
	ColumnEncryption       = "Column Encryption Setting"
	ContextConnection      = "Context Connection"

	minPoolSize        = "Min Pool Size"
	maxPoolSize        = "Max Pool Size"
	typeSystemVersion  = "Type System Version"
	transactionBinding = "Transaction Binding"
)

// bySpelling finds a keyword by its name or a synonym, in lower case.
var bySpelling = func() map[string]*keyword {
	m := map[string]*keyword{}
	for i := range keywords {
		k := &keywords[i]
		for _, spelling := range append(k.synonyms, lower(k.name)) {
			m[spelling] = k
		}
	}
	return m
}()

// known is the canonical name of a keyword, or nothing. What is not known may be the tail of a password that was not
// quoted, and is never shown.
func known(spelling string) string {
	if k := bySpelling[spelling]; k != nil {
		return k.name
	}
	return ""
}
