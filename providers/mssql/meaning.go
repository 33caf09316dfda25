package mssql

// meaning is what an error number says to us.
type meaning struct {
	class Class
	why   Why // what it says about a sign-in; empty where it says nothing
	text  string
	hint  string
}

// meanings are the errors that a rotation meets. Source: "Database Engine events and errors" and "Troubleshoot common
// connection issues to Azure SQL Database" of Microsoft's documentation.
var meanings = map[int32]meaning{
	18456: {Login, WrongPassword, "login failed", "the server's error log says why, by the state of error 18456: 8 is a wrong password, 5 no such login, 7 disabled, 58 Windows sign-in only"},
	18452: {Login, Refused, "a login of an untrusted domain", "the server takes Windows sign-in only, or does not trust the domain"},
	18470: {Login, Disabled, "the login is disabled", "find out who disabled it, and why; then ALTER LOGIN … ENABLE"},
	18486: {Login, LockedOut, "the login is locked out", "find who uses the old password; then wait for the lockout to end, or unlock it: ALTER LOGIN … WITH CHECK_POLICY = OFF, and then CHECK_POLICY = ON with CHECK_EXPIRATION as it was"},
	18487: {Login, Expired, "the password has expired", "the login has CHECK_EXPIRATION on; a new password ends it"},
	18488: {Login, MustChange, "the password must be changed at the first sign-in", "it was set with MUST_CHANGE; set it without"},
	18461: {Login, Unavailable, "the server is in single-user mode", "wait until its maintenance is done"},
	18451: {Login, Unavailable, "only administrators may sign in now", "wait until its maintenance is done"},
	18401: {Login, Unavailable, "the server is in script upgrade mode", "wait until its upgrade is done"},
	17142: {Login, Unavailable, "the server is paused", "resume it"},
	17187: {Login, Unavailable, "the server is not ready to accept connections", "wait until it has started"},
	17809: {Login, Unavailable, "no more connections are allowed", "raise the limit of user connections, or close some"},
	17892: {Login, Refused, "a logon trigger refused the sign-in", "look at the server's logon triggers"},
	17830: {Login, Unavailable, "the network failed during the sign-in", ""},
	6005:  {Login, Unavailable, "the server is shutting down", "wait until it has started"},

	4060:  {Offline, NoDatabase, "the database cannot be opened by this login", "look whether the database exists and is online, and has a user for this login: after a restore or on another replica its SID may differ"},
	4062:  {Offline, NoDatabase, "the login's default database cannot be opened", "name a database"},
	4064:  {Offline, NoDatabase, "the login's default database cannot be opened", "name a database"},
	916:   {Permission, NoDatabase, "the login has no user in the database", "CREATE USER … FOR LOGIN"},
	911:   {Offline, NoDatabase, "no such database", "check its name"},
	942:   {Offline, NoDatabase, "the database is offline", "bring it online"},
	927:   {Offline, NoDatabase, "the database is being restored", "wait for the restore"},
	922:   {Offline, NoDatabase, "the database is being recovered", "wait for the recovery"},
	926:   {Offline, NoDatabase, "the database is suspect", "look at the server's error log"},
	945:   {Offline, NoDatabase, "the database has files missing or no memory or disk", "look at the server's error log"},
	924:   {Offline, NoDatabase, "the database is in single-user mode", "wait until its maintenance is done"},
	40613: {Offline, Unavailable, "the database is not available now", "try again in a minute"},

	40615: {Login, Firewall, "the server's firewall keeps this address out", "add this machine's address to the server's firewall rules"},
	40914: {Login, Firewall, "the server's network rules keep this subnet out", "add a rule for this virtual network"},
	47073: {Login, Firewall, "the server denies public network access", "use its private endpoint"},
	40532: {Login, Refused, "the service cannot find the server that the login names", "check the server's name"},
	40501: {Busy, Unavailable, "the service is busy", "try again in a minute"},
	40197: {Busy, Unavailable, "the service failed while it handled the request", "try again in a minute"},
	49918: {Busy, Unavailable, "the service lacks resources", "try again in a minute"},
	49919: {Busy, Unavailable, "the service lacks resources", "try again in a minute"},
	49920: {Busy, Unavailable, "the service lacks resources", "try again in a minute"},
	10928: {Busy, Unavailable, "a limit of the database is reached", "close sessions, or raise the limit"},
	10929: {Busy, Unavailable, "a limit of the database is reached", "close sessions, or raise the limit"},

	15114: {Policy, "", "the password was changed too recently", "the policy has a minimum age; wait, or have it lifted"},
	15115: {Policy, "", "the password was used recently", "the policy keeps a history: commit another version, with a value that this login never had"},
	15116: {Policy, "", "the password is too short", "commit another version, with a longer value"},
	15117: {Policy, "", "the password is too long", "128 characters is the most"},
	15118: {Policy, "", "the password is not complex enough", "commit another version, whose value has three of: capital letters, small letters, digits, other characters"},
	15119: {Policy, "", "a password filter of the server's domain refuses the password", "ask who runs the domain's password filter, and commit another version"},
	15113: {Policy, "", "too many failed sign-ins: the login is locked", "unlock it first: ALTER LOGIN … WITH CHECK_POLICY = OFF, and then CHECK_POLICY = ON with CHECK_EXPIRATION as it was"},
	15128: {Policy, "", "CHECK_POLICY and CHECK_EXPIRATION cannot be off when MUST_CHANGE is on", ""},

	15151: {Permission, "", "the login or user does not exist, or it may not be altered", "the rotator needs ALTER ANY LOGIN, and CONTROL SERVER for a login with that right; a contained user needs ALTER ANY USER"},
	15247: {Permission, "", "no permission for this action", "the rotator needs ALTER ANY LOGIN"},
	229:   {Permission, "", "no permission on the object", "grant it to the rotator"},
	230:   {Permission, "", "no permission on the column", "grant it to the rotator"},
	262:   {Permission, "", "no permission in the database", "grant it to the rotator"},
	297:   {Permission, "", "no permission for this action", "grant VIEW SERVER STATE (2022: VIEW SERVER SECURITY STATE) to the rotator"},
	300:   {Permission, "", "no permission on the server", "grant VIEW SERVER STATE (2022: VIEW SERVER SECURITY STATE) to the rotator"},

	207: {Mistake, "", "no such column", "correct the column's name"},
	208: {Mistake, "", "no such table, or it may not be seen", "correct the table's name and schema, or grant SELECT on it to the rotator"},

	1222: {LockWait, "", "a lock was not granted in time", "another session holds it; try again"},
	1205: {LockWait, "", "chosen as the victim of a deadlock", "try again"},
	9002: {LogFull, "", "the transaction log is full", "back up or grow the log"},
	1105: {LogFull, "", "a filegroup is full", "free or add disk space"},
	1101: {LogFull, "", "a filegroup is full", "free or add disk space"},

	976:  {Moved, Unavailable, "the database is a secondary that takes no connections", "sign in to the primary, through the availability group's listener"},
	978:  {Moved, Unavailable, "the database is a secondary for read-only connections", "sign in to the primary, through the availability group's listener"},
	979:  {Moved, Unavailable, "the database is a secondary that takes no connections of this kind", "sign in to the primary, through the availability group's listener"},
	982:  {Moved, Unavailable, "no secondary is there for a read-only connection", ""},
	983:  {Moved, Unavailable, "the replica is resolving its role", "wait until the failover is over"},
	988:  {Moved, Unavailable, "the availability group has lost its quorum", "look at the cluster"},
	5061: {Moved, "", "the database's state is being changed", "try again"},
	3906: {ReadOnly, "", "the database is read-only", "sign in to the primary, through the availability group's listener"},
	3908: {ReadOnly, "", "the database is in emergency mode or damaged", "look at the server's error log"},

	102:   {Mistake, "", "a syntax error", "this version of SQL Server may lack the statement"},
	105:   {Mistake, "", "a quotation mark without its counterpart", ""},
	15025: {Mistake, "", "a login or user of this name exists", ""},
	33234: {Mistake, "", "a user that cannot sign in by itself: its login has the password", "use ALTER LOGIN"},
	15433: {Mistake, "", "the SID is in use", ""},
}
