# What meshrotate runs on a Windows host. The bootstrap has read this text from standard input, checked its SHA-256,
# and left $hostIn, Read-Into, strict error handling behind. Windows PowerShell 5.1 and PowerShell 7 run it.
#
# It answers frames (see Frame in frame.go) until the end of input. Rules that every line keeps:
# - Contents of files are byte arrays, touched by .NET methods and operators only. No cmdlet's argument and no pipeline
#   holds one: module logging (event 4103) would record it.
# - A whole request is read before anything is done, and a whole reply is written at once.
# - Messages never hold content: an exception's text is passed on only when Windows has a number for it.
#
# What only Windows has is in the functions between "Windows only" and "end", each with plain arguments and results. An
# alias of the same name, set before the script runs, takes a function's place: that is how tests run it elsewhere.
Set-StrictMode -Version 2
$hostOut = [Console]::OpenStandardOutput()
$sha = [Security.Cryptography.SHA256CryptoServiceProvider]::new()   # the one that FIPS mode allows

# --- Windows only ------------------------------------------------------------------------------------------------

# Resolve-HostPath PATH: the path with its %variables% replaced. A 32-bit process has another %ProgramFiles%.
function Resolve-HostPath([string]$path) {
    $path = [regex]::Replace($path, '(?i)%CommonApplicationData%', '%ProgramData%')
    if ([Environment]::GetEnvironmentVariable('ProgramW6432')) { $path = [regex]::Replace($path, '(?i)%ProgramFiles%', '%ProgramW6432%') }
    [Environment]::ExpandEnvironmentVariables($path)
}

# Get-HostFullName PATH: the same, as Windows names it.
function Get-HostFullName([string]$path) { Resolve-HostPath $path }

# Get-HostAcl PATH SECTIONS: the file's security (FileSecurity). PowerShell 7 keeps the calls in another class.
function Get-HostAclClass { [type]::GetType('System.IO.FileSystemAclExtensions, System.IO.FileSystem.AccessControl') }
function Get-HostAcl([string]$path, [Security.AccessControl.AccessControlSections]$sections) {
    $newer = Get-HostAclClass
    if ($null -ne $newer) { return $newer::GetAccessControl([IO.FileInfo]::new($path), $sections) }
    [IO.File]::GetAccessControl($path, $sections)
}

# New-HostFile PATH LIKE: a stream that writes a new file, which has LIKE's access rules from its first moment; without LIKE
# SYSTEM, Administrators and this account have access, and nobody else.
function New-HostFile([string]$path, [string]$like) {
    $mode = [IO.FileMode]::CreateNew; $rights = [Security.AccessControl.FileSystemRights]::Write; $share = [IO.FileShare]::None
    $newer = Get-HostAclClass
    if ($like -ne '') { $rules = Get-HostAcl $like 'Access' }
    else {
        $rules = [Security.AccessControl.FileSecurity]::new()
        $rules.SetSecurityDescriptorSddlForm('D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;' + [Security.Principal.WindowsIdentity]::GetCurrent().User.Value + ')', 'Access')
    }
    if ($null -ne $newer) { return $newer::Create([IO.FileInfo]::new($path), $mode, $rights, $share, 65536, [IO.FileOptions]::None, $rules) }
    [IO.FileStream]::new($path, $mode, $rights, $share, 65536, [IO.FileOptions]::None, $rules)
}

# Get-HostAccess PATH: who owns the file (a SID), and whether ordinary users may read it.
function Get-HostAccess([string]$path) {
    $open = 'no'; if ((Get-HostRights $path) -band 1) { $open = 'yes' }
    @{ owner = (Get-HostAcl $path 'Owner').GetOwner([Security.Principal.SecurityIdentifier]).Value; usersCanRead = $open }
}

# Get-HostRights PATH: what ordinary users may do with the file or the folder, as bits of FileSystemRights; nothing when there is neither.
# They are in Everyone, Authenticated Users and Users, at the host itself in Interactive, too, and those of a domain in Domain Users; or in
# Everyone and Guests. What one of these may do counts, whatever others are denied; and of the rules for him, the first about a right.
function Get-HostRights([string]$path) {
    if ([IO.File]::Exists($path)) { $acl = Get-HostAcl $path 'Access' }
    elseif (-not [IO.Directory]::Exists($path)) { return }
    else {
        $newer = Get-HostAclClass; $sections = [Security.AccessControl.AccessControlSections]::Access
        if ($null -ne $newer) { $acl = $newer::GetAccessControl([IO.DirectoryInfo]::new($path), $sections) } else { $acl = [IO.Directory]::GetAccessControl($path, $sections) }
    }
    $rules = @($acl.GetAccessRules($true, $true, [Security.Principal.SecurityIdentifier])); $user = '1-0|5-11|5-32-545'; $guest = '1-0|5-32-546'; $domain = '|5-21-\d+-\d+-\d+-513'
    $all = 0
    foreach ($groups in $user, ($user + '|5-4'), ($user + $domain), ($user + '|5-4' + $domain), $guest, ($guest + '|5-4')) {
        $granted = 0; $denied = 0
        foreach ($rule in $rules) {
            if (([int]$rule.PropagationFlags -band 2) -ne 0) { continue }   # for what is in it alone
            if (-not [regex]::IsMatch($rule.IdentityReference.Value, '^S-1-(' + $groups + ')$')) { continue }
            $bits = [int]$rule.FileSystemRights
            if ($bits -band 0x10000000) { $bits = $bits -bor 0x1F01FF }   # GENERIC_ALL, GENERIC_WRITE, GENERIC_READ
            if ($bits -band 0x40000000) { $bits = $bits -bor 0x120116 }
            if ($bits -lt 0) { $bits = $bits -bor 0x120089 }
            if ([string]$rule.AccessControlType -eq 'Deny') { $denied = $denied -bor ($bits -band (-bnot $granted)) } else { $granted = $granted -bor ($bits -band (-bnot $denied)) }
        }
        $all = $all -bor $granted
    }
    $all
}

# Get-HostFileChanged STREAM: when anything about the open file was changed last, or nothing. A copy keeps the time of the last
# write, and no program that means no harm sets this one.
function Get-HostFileChanged($f) {
    $n = Use-HostNative; $info = [long[]]::new(5); $e = 0   # FILE_BASIC_INFO
    if ($n::GetFileInformationByHandleEx($f.SafeFileHandle.DangerousGetHandle(), 0, $info, 40, [ref]$e) -ne 0 -and $info[3] -gt 0) { [DateTime]::FromFileTimeUtc($info[3]) }
}

# Get-HostFreeSpace PATH: bytes free on the file's volume, for this user.
function Get-HostFreeSpace([string]$path) { [IO.DriveInfo]::new([IO.Path]::GetPathRoot($path)).AvailableFreeSpace }

# Test-HostOpen PATH ACCESS OPTIONS: the number of the error that opening a file or a folder meets, 0 for none. CreateFile opens folders
# in the name of a backup only, for which access rules do not count.
function Test-HostOpen([string]$path, [uint32]$access, [uint32]$options) {
    $n = Use-HostNative; $memory = [Runtime.InteropServices.Marshal]; $z = [IntPtr]::Size; $none = [IntPtr]::Zero; $file = $none; $e = 0
    $all = $memory::AllocHGlobal(10 * $z)   # a UNICODE_STRING, an IO_STATUS_BLOCK and the OBJECT_ATTRIBUTES
    try {
        for ($k = 0; $k -lt 10; $k++) { $memory::WriteIntPtr($all, $k * $z, $none) }
        if (($n::RtlDosPathNameToNtPathName_U($path, $all, $none, $none, [ref]$e) -band 255) -eq 0) { return 161 }
        $attributes = [IntPtr]::Add($all, 4 * $z)
        $memory::WriteInt32($attributes, 0, 6 * $z); $memory::WriteIntPtr($attributes, 2 * $z, $all); $memory::WriteInt32($attributes, 3 * $z, 64)   # OBJ_CASE_INSENSITIVE
        $status = $n::NtOpenFile([ref]$file, $access, $attributes, [IntPtr]::Add($all, 2 * $z), 7, $options, [ref]$e)
        [void]$n::RtlFreeUnicodeString($all, [ref]$e)
        if ($status -ne 0) { return $n::RtlNtStatusToDosError($status, [ref]$e) }
        [void]$n::CloseHandle($file, [ref]$e)
        0
    } finally { $memory::FreeHGlobal($all) }
}

# Test-HostFile PATH, Test-HostFolder PATH: the number of the error that a replace of the file, or a new file in the folder, would
# meet; 0 for none. Nothing is changed.
function Test-HostFile([string]$path) { Test-HostOpen $path 0x130101 0x60 }       # DELETE, READ_CONTROL, SYNCHRONIZE, FILE_WRITE_ATTRIBUTES, FILE_READ_DATA
function Test-HostFolder([string]$path) { Test-HostOpen $path 0x100002 0x21 }     # FILE_ADD_FILE, SYNCHRONIZE

# Invoke-HostReplace FROM TO BACKUP: ReplaceFile. Without a backup, its error 1176 would lose the file.
function Invoke-HostReplace([string]$from, [string]$to, [string]$backup) { [IO.File]::Replace($from, $to, $backup, $false) }

function Open-HostKey([string]$path) {
    [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::LocalMachine, [Microsoft.Win32.RegistryView]::Registry64).OpenSubKey($path)
}

# Get-HostIdentity: @{ machineGuid; computerName; domain; installed }.
function Get-HostIdentity {
    $key = Open-HostKey 'SOFTWARE\Microsoft\Cryptography'; $guid = ''
    if ($null -ne $key) { $guid = [string]$key.GetValue('MachineGuid', '') }
    $installed = $null; $key = Open-HostKey 'SOFTWARE\Microsoft\Windows NT\CurrentVersion'   # seconds since 1970, as a number of 32 bits
    if ($null -ne $key) { $at = [long]$key.GetValue('InstallDate', 0) -band 4294967295; if ($at -gt 0) { $installed = [DateTime]::new(621355968000000000 + 10000000 * $at, [DateTimeKind]::Utc) } }
    @{ machineGuid = $guid; computerName = [Environment]::MachineName; installed = $installed; domain = [Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties().DomainName }
}

# Get-HostEnvironment SERVICE: a table of the service's own variables; of the machine's when SERVICE is ''.
function Get-HostEnvironment([string]$service) {
    $found = @{}
    if ($service -eq '') {
        $key = Open-HostKey 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
        foreach ($name in $key.GetValueNames()) { $found[$name] = [string]$key.GetValue($name) }
        return $found
    }
    $key = Open-HostKey ('SYSTEM\CurrentControlSet\Services\' + $service)
    if ($null -eq $key) { throw [ComponentModel.Win32Exception]::new(1060) }
    foreach ($line in @($key.GetValue('Environment', @()))) {
        $at = $line.IndexOf('=')
        if ($at -gt 0) { $found[$line.Substring(0, $at)] = $line.Substring($at + 1) }
    }
    $found
}

# Get-HostWrapped SERVICE: @{ line; folder; variables } of the program that the service's own program starts, as srvany and NSSM keep
# it in the registry; nothing when there is none.
function Get-HostWrapped([string]$service) {
    $key = Open-HostKey ('SYSTEM\CurrentControlSet\Services\' + $service + '\Parameters'); if ($null -eq $key) { return $null }
    $program = [string]$key.GetValue('Application', ''); if ($program -eq '') { return $null }
    $w = @{ line = ('"' + $program + '" ' + [string]$key.GetValue('AppParameters', '')).TrimEnd(); folder = [string]$key.GetValue('AppDirectory', ''); variables = @{} }
    foreach ($name in 'AppEnvironment', 'AppEnvironmentExtra') {
        foreach ($line in @($key.GetValue($name, @()))) {
            $at = ([string]$line).IndexOf('=')
            if ($at -gt 0) { $w.variables[$line.Substring(0, $at)] = $line.Substring($at + 1) }
        }
    }
    $w
}

# Get-HostUserEnvironment ACCOUNT: a table of the account's own variables, nothing while its registry is not loaded.
function Get-HostUserEnvironment([string]$account) {
    $sid = Get-HostSid $account; if (-not $sid) { return $null }
    $users = [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::Users, [Microsoft.Win32.RegistryView]::Registry64)
    if ($null -eq $users.OpenSubKey($sid)) { return $null }
    $key = $users.OpenSubKey($sid + '\Environment'); $found = @{}
    if ($null -ne $key) { foreach ($name in $key.GetValueNames()) { $found[$name] = [string]$key.GetValue($name) } }
    $found
}

# Get-HostProfile ACCOUNT: the folder of its profile, '' when there is none.
function Get-HostProfile([string]$account) {
    $sid = Get-HostSid $account; if (-not $sid) { return '' }
    $key = Open-HostKey ('SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\' + $sid)
    if ($null -eq $key) { '' } else { [string]$key.GetValue('ProfileImagePath', '') }
}

# Get-HostBoot: @{ booted; changed }: when the machine started, and when its environment was last written; nothing when that cannot
# be known.
function Get-HostBoot {
    $e = 0; $changed = Get-Written (Open-HostKey 'SYSTEM\CurrentControlSet\Control\Session Manager\Environment')
    @{ booted = [DateTime]::UtcNow.AddMilliseconds(-[double](Use-HostNative)::GetTickCount64([ref]$e)); changed = $changed }
}

# Get-Written KEY: when a key of the registry was last written; nothing when that cannot be known.
function Get-Written($key) {
    if ($null -eq $key) { return $null }
    $n = Use-HostNative; $none = [IntPtr]::Zero; $e = 0; [long]$written = 0
    $status = $n::RegQueryInfoKeyW($key.Handle.DangerousGetHandle(), $none, $none, $none, $none, $none, $none, $none, $none, $none, $none, [ref]$written, [ref]$e)
    if ($status -eq 0 -and $written -gt 0) { [DateTime]::FromFileTimeUtc($written) }
}

# Get-HostNeeds SERVICE: the names of what must run before it.
function Get-HostNeeds([string]$service) { foreach ($name in @((Open-HostKey ('SYSTEM\CurrentControlSet\Services\' + $service)).GetValue('DependOnService', @()))) { if ($name -ne '') { $name } } }

# Get-HostStart SERVICE ACCOUNT: @{ needs; registered; userChanged }: the services that must run before it, and when what it is started
# with was last written. What a wrapper keeps is in a key below, which is the product's own where there is no wrapper.
function Get-HostStart([string]$service, [string]$account) {
    $path = 'SYSTEM\CurrentControlSet\Services\' + $service
    $s = @{ needs = @(); registered = (Get-Written (Open-HostKey $path)); userChanged = $null }
    $within = Open-HostKey ($path + '\Parameters')
    if ($null -ne $within -and [string]$within.GetValue('Application', '') -ne '') {
        $written = Get-Written $within; if ($null -ne $written -and $written -gt $s.registered) { $s.registered = $written }
    }
    $sid = Get-HostSid $account
    if ($sid) { $s.userChanged = Get-Written ([Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::Users, [Microsoft.Win32.RegistryView]::Registry64).OpenSubKey($sid + '\Environment')) }
    $s.needs = @(foreach ($name in @(Get-HostNeeds $service)) {
        try { $status = Get-HostServiceStatus $name } catch { continue }   # it is there, and tells nobody more
        $need = @{ name = $name; installed = $false; state = ''; startMode = '' }
        if ($null -ne $status) { $need.installed = $true; $need.state = $status.state; $need.startMode = (Get-HostServiceConfig $name).startMode }
        $need
    })
    $s
}

# Use-HostNative: a class of calls that .NET does not have, so Windows itself is asked. It is put together here, in memory: Add-Type
# runs a C# compiler in every process of 5.1, for a second, and policies forbid that. Each call takes one argument more, a
# [ref] for the error number of Windows, which is read before anything else can change it. Arrays are not copied.
$native = @{}
function Use-HostNative {
    if ($native.ContainsKey('class')) { return $native.class }
    $p = [IntPtr]; $i = [int]; $u = [uint32]; $s = [string]; $b = [byte[]]; $outP = $p.MakeByRefType(); $outI = $i.MakeByRefType()
    $calls = @(
        @('advapi32.dll', 'OpenSCManagerW', $p, @($p, $p, $u)),
        @('advapi32.dll', 'OpenServiceW', $p, @($p, $s, $u)),
        @('advapi32.dll', 'QueryServiceStatusEx', $i, @($p, $i, [int[]], $i, $outI)),
        @('advapi32.dll', 'ChangeServiceConfigW', $i, @($p, $u, $u, $u, $p, $p, $p, $p, $s, $b, $p)),
        @('advapi32.dll', 'CloseServiceHandle', $i, @($p)),
        @('advapi32.dll', 'LogonUserW', $i, @($s, $s, $b, $i, $i, $outP)),
        @('advapi32.dll', 'LsaOpenPolicy', $i, @($p, $b, $u, $outP)),
        @('advapi32.dll', 'LsaEnumerateAccountsWithUserRight', $i, @($p, $p, $outP, $outI)),
        @('advapi32.dll', 'LsaFreeMemory', $i, @($p)),
        @('advapi32.dll', 'LsaClose', $i, @($p)),
        @('advapi32.dll', 'LookupAccountSidW', $i, @($p, $p, $b, $outI, $b, $outI, $outI)),
        @('advapi32.dll', 'GetTokenInformation', $i, @($p, $i, $b, $i, $outI)),
        @('secur32.dll', 'LsaGetLogonSessionData', $i, @($p, $outP)),
        @('secur32.dll', 'LsaFreeReturnBuffer', $i, @($p)),
        @('advapi32.dll', 'OpenProcessToken', $i, @($p, $u, $outP)),
        @('netapi32.dll', 'NetUserGetLocalGroups', $i, @($p, $s, $i, $i, $outP, $i, $outI, $outI)),
        @('netapi32.dll', 'NetUserGetInfo', $i, @($p, $s, $i, $outP)),
        @('netapi32.dll', 'NetApiBufferFree', $i, @($p)),
        @('advapi32.dll', 'RegQueryInfoKeyW', $i, @($p, $p, $p, $p, $p, $p, $p, $p, $p, $p, $p, [long].MakeByRefType())),
        @('kernel32.dll', 'GetTickCount64', [uint64], @()),
        @('kernel32.dll', 'GetFileInformationByHandleEx', $i, @($p, $i, [long[]], $i)),
        @('ntdll.dll', 'RtlDosPathNameToNtPathName_U', $i, @($s, $p, $p, $p)),
        @('ntdll.dll', 'RtlFreeUnicodeString', $i, @($p)),
        @('ntdll.dll', 'NtOpenFile', $i, @($outP, $u, $p, $p, $u, $u)),
        @('ntdll.dll', 'RtlNtStatusToDosError', $i, @($i)),
        @('wintrust.dll', 'WinVerifyTrust', $i, @($p, $b, $p)),
        @('kernel32.dll', 'OpenProcess', $p, @($u, $i, $i)),
        @('kernel32.dll', 'CreateJobObjectW', $p, @($p, $p)),
        @('kernel32.dll', 'SetInformationJobObject', $i, @($p, $i, [byte[]], $i)),
        @('kernel32.dll', 'AssignProcessToJobObject', $i, @($p, $p)),
        @('kernel32.dll', 'TerminateJobObject', $i, @($p, $u)),
        @('kernel32.dll', 'CloseHandle', $i, @($p)))
    $assembly = [Reflection.Emit.AssemblyBuilder]::DefineDynamicAssembly([Reflection.AssemblyName]::new('MeshrotateNative'), [Reflection.Emit.AssemblyBuilderAccess]::Run)
    $class = $assembly.DefineDynamicModule('MeshrotateNative').DefineType('MeshrotateNative', [Reflection.TypeAttributes]'Public, Class')
    $import = [Runtime.InteropServices.DllImportAttribute]; $error32 = [Runtime.InteropServices.Marshal].GetMethod('GetLastWin32Error'); $op = [Reflection.Emit.OpCodes]
    foreach ($call in $calls) {
        $dll, $name, $returns, $takes = $call
        $bare = $class.DefineMethod($name, [Reflection.MethodAttributes]'Private, Static, PinvokeImpl', $returns, [type[]]$takes)
        $bare.SetImplementationFlags([Reflection.MethodImplAttributes]::PreserveSig)
        $bare.SetCustomAttribute([Reflection.Emit.CustomAttributeBuilder]::new($import.GetConstructor(@([string])), @($dll),
            [Reflection.FieldInfo[]]@($import.GetField('SetLastError'), $import.GetField('CharSet')), @($true, [Runtime.InteropServices.CharSet]::Unicode)))
        $il = $class.DefineMethod($name, [Reflection.MethodAttributes]'Public, Static', $returns, [type[]]($takes + $outI)).GetILGenerator()
        for ($n = 0; $n -lt $takes.Count; $n++) { $il.Emit($op::Ldarg, [int16]$n) }
        $il.Emit($op::Call, [Reflection.MethodInfo]$bare)
        $il.Emit($op::Ldarg, [int16]$n); $il.Emit($op::Call, $error32); $il.Emit($op::Stind_I4)
        $il.Emit($op::Ret)
    }
    $native.class = $class.CreateType()
    $native.class
}

# Open-HostService NAME ACCESS: its handle, zero when there is no such service.
function Open-HostService([string]$name, [uint32]$access) {
    $n = Use-HostNative; $none = [IntPtr]::Zero; $e = 0; $ignored = 0
    $manager = $n::OpenSCManagerW($none, $none, 1, [ref]$e)
    if ($manager -eq $none) { throw [ComponentModel.Win32Exception]::new($e) }
    $service = $n::OpenServiceW($manager, $name, $access, [ref]$e)
    [void]$n::CloseServiceHandle($manager, [ref]$ignored)
    if ($service -eq $none -and $e -ne 1060) { throw [ComponentModel.Win32Exception]::new($e) }
    $service
}

# Get-HostServiceStatus NAME: @{ state; processId; exitCode }, or nothing when there is no such service. .NET has no
# call that tells the process.
function Get-HostServiceStatus([string]$name) {
    $n = Use-HostNative; $s = [int[]]::new(9); $e = 0; $size = 0; $ignored = 0
    $service = Open-HostService $name 4
    if ($service -eq [IntPtr]::Zero) { return $null }
    $ok = $n::QueryServiceStatusEx($service, 0, $s, 36, [ref]$size, [ref]$e)
    [void]$n::CloseServiceHandle($service, [ref]$ignored)
    if ($ok -eq 0) { throw [ComponentModel.Win32Exception]::new($e) }
    $code = $s[3]; if ($code -eq 1066) { $code = $s[4] }   # 1066: the service has a code of its own
    $state = @('', 'stopped', 'startPending', 'stopPending', 'running', 'continuePending', 'pausePending', 'paused')[$s[1]]
    @{ state = $state; processId = $s[7]; exitCode = ([long]$code -band 4294967295) }
}

# Get-HostServiceConfig NAME: @{ account; startMode; imagePath }.
function Get-HostServiceConfig([string]$name) {
    $key = Open-HostKey ('SYSTEM\CurrentControlSet\Services\' + $name)
    if ($null -eq $key) { return @{ account = ''; startMode = ''; imagePath = '' } }
    $mode = $key.GetValue('Start'); if ($null -eq $mode) { $mode = 5 }
    $image = [regex]::Replace([string]$key.GetValue('ImagePath', ''), '^(\s*"?)\\\?\?\\', '$1')   # \??\ is the kernel's way to begin a path
    @{ account = [string]$key.GetValue('ObjectName', ''); imagePath = $image; startMode = @('boot', 'system', 'auto', 'manual', 'disabled', '')[$mode] }
}

function Get-HostServiceController([string]$name) {
    Add-Type -AssemblyName System.ServiceProcess
    New-Object System.ServiceProcess.ServiceController $name
}

# Get-HostServiceDependents NAME: the names of the services that need it and are not stopped, to be stopped in this order.
function Get-HostServiceDependents([string]$name) {
    foreach ($d in (Get-HostServiceController $name).DependentServices) { if ([string]$d.Status -ne 'Stopped') { $d.ServiceName } }
}

# Test-HostService NAME LOGON: the number of the error that a stop and a start would meet, and with LOGON a change of its logon; 0
# for none.
function Test-HostService([string]$name, [bool]$logon) {
    $access = 0x3c; if ($logon) { $access = $access -bor 2 }   # SERVICE_QUERY_STATUS, _ENUMERATE_DEPENDENTS, _START, _STOP; _CHANGE_CONFIG
    try { $service = Open-HostService $name $access } catch [ComponentModel.Win32Exception] { return $_.Exception.NativeErrorCode }
    if ($service -eq [IntPtr]::Zero) { return 1060 }
    $ignored = 0; [void](Use-HostNative)::CloseServiceHandle($service, [ref]$ignored)
    0
}

# Start-HostService NAME, Stop-HostService NAME: ask the service manager, and do not wait. They throw a Win32Exception.
function Start-HostService([string]$name) { (Get-HostServiceController $name).Start() }
function Stop-HostService([string]$name) { (Get-HostServiceController $name).Stop() }

# Test-HostSqlClient: whether .NET Framework's client of SQL Server is here.
function Test-HostSqlClient { $null -ne ('System.Data.SqlClient.SqlConnection' -as [type]) }

# Test-HostPort SERVER PORT SECONDS: the number of the error that a connection meets, 0 for none.
function Test-HostPort([string]$server, [int]$port, [int]$seconds) {
    $tcp = [Net.Sockets.ProtocolType]::Tcp; $stream = [Net.Sockets.SocketType]::Stream
    if ([Net.Sockets.Socket]::OSSupportsIPv6) { $socket = [Net.Sockets.Socket]::new($stream, $tcp) }   # for both kinds of address
    else { $socket = [Net.Sockets.Socket]::new([Net.Sockets.AddressFamily]::InterNetwork, $stream, $tcp) }
    try {
        $asked = $socket.BeginConnect($server, $port, $null, $null)
        if (-not $asked.AsyncWaitHandle.WaitOne($seconds * 1000)) { return 10060 }
        $socket.EndConnect($asked)
        0
    } catch {
        $e = $_.Exception
        while ($null -ne $e -and $e -isnot [Net.Sockets.SocketException]) { $e = $e.InnerException }
        if ($null -eq $e) { throw }
        [int]$e.SocketErrorCode
    } finally { $socket.Dispose() }
}

# Invoke-HostSqlSignIn STRING SECONDS: a connection of its own with the client of .NET Framework, and where it leads; nothing where
# there is no such client. STRING is UTF-8.
function Invoke-HostSqlSignIn([byte[]]$text, [int]$seconds) {
    if (-not (Test-HostSqlClient)) { return $null }
    $parts = [Data.SqlClient.SqlConnectionStringBuilder]::new([Text.Encoding]::UTF8.GetString($text))
    $parts['Pooling'] = $false; $parts['Connect Timeout'] = $seconds
    $found = @{ accepted = $false; numbers = @(); instance = ''; login = ''; user = ''; database = '' }
    $connection = [Data.SqlClient.SqlConnection]::new($parts.ToString())
    try {
        $connection.Open()
        $ask = $connection.CreateCommand()
        $ask.CommandText = 'SELECT @@SERVERNAME, SUSER_SNAME(), USER_NAME(), DB_NAME()'; $ask.CommandTimeout = $seconds
        $row = $ask.ExecuteReader()
        if (-not $row.Read()) { return $found }
        $found.instance = [string]$row[0]; $found.login = [string]$row[1]; $found.user = [string]$row[2]; $found.database = [string]$row[3]
        $found.accepted = $true
    } catch {
        $e = $_.Exception
        while ($null -ne $e -and $e -isnot [Data.SqlClient.SqlException]) { $e = $e.InnerException }
        if ($null -eq $e) { throw }
        $found.numbers = @(foreach ($one in $e.Errors) { $one.Number })
    } finally { $connection.Dispose() }
    $found
}

# Get-HostProcessStart ID: when the process started, or nothing when it may not be asked.
function Get-HostProcessStart([int]$id) { try { [Diagnostics.Process]::GetProcessById($id).StartTime.ToUniversalTime() } catch { } }

# Set-HostServiceLogon NAME ACCOUNT PASSWORD: the password is UTF-16 with a zero at its end, nothing for an account without one.
function Set-HostServiceLogon([string]$name, [string]$account, [byte[]]$password) {
    $n = Use-HostNative; $none = [IntPtr]::Zero; $same = [uint32]::MaxValue; $e = 0; $ignored = 0
    $service = Open-HostService $name 2
    if ($service -eq $none) { throw [ComponentModel.Win32Exception]::new(1060) }
    $ok = $n::ChangeServiceConfigW($service, $same, $same, $same, $none, $none, $none, $none, $account, $password, $none, [ref]$e)
    [void]$n::CloseServiceHandle($service, [ref]$ignored)
    if ($ok -eq 0) { throw [ComponentModel.Win32Exception]::new($e) }
}

# Test-HostLogon ACCOUNT PASSWORD: a logon as a service and its end. It throws a Win32Exception.
function Test-HostLogon([string]$account, [byte[]]$password) {
    $n = Use-HostNative; $token = [IntPtr]::Zero; $e = 0; $domain = [Management.Automation.Language.NullString]::Value
    $at = $account.IndexOf('\')
    if ($at -ge 0) { $domain = $account.Substring(0, $at) }
    if ($n::LogonUserW($account.Substring($at + 1), $domain, $password, 5, 0, [ref]$token, [ref]$e) -eq 0) { throw [ComponentModel.Win32Exception]::new($e) }
    [void]$n::CloseHandle($token, [ref]$e)
}

# Read-HostPointers AT COUNT: the pointers that stand there. Windows answers with lists of them.
function Read-HostPointers([IntPtr]$at, [int]$count) {
    for ($k = 0; $k -lt $count; $k++) { [Runtime.InteropServices.Marshal]::ReadIntPtr($at, $k * [IntPtr]::Size) }
}

# Get-HostHolders RIGHT: who has a right, each as "use SID" (SID_NAME_USE); nothing when that cannot be known.
function Get-HostHolders([string]$right) {
    $n = Use-HostNative; $memory = [Runtime.InteropServices.Marshal]; $policy = [IntPtr]::Zero; $sids = [IntPtr]::Zero; $count = 0; $e = 0
    if ($n::LsaOpenPolicy([IntPtr]::Zero, [byte[]]::new(64), 0x801, [ref]$policy, [ref]$e) -ne 0) { return $null }
    $text = $memory::StringToHGlobalUni($right); $chars = $memory::AllocHGlobal(16)   # an LSA_UNICODE_STRING
    try {
        $memory::WriteInt16($chars, 0, [int16](2 * $right.Length)); $memory::WriteInt16($chars, 2, [int16](2 * $right.Length + 2))
        $memory::WriteIntPtr($chars, [IntPtr]::Size, $text)
        $status = $n::LsaEnumerateAccountsWithUserRight($policy, $chars, [ref]$sids, [ref]$count, [ref]$e)
        if ($status -eq -2147483622) { return , @() }   # STATUS_NO_MORE_ENTRIES
        if ($status -ne 0) { return $null }
        return , @(foreach ($sid in @(Read-HostPointers $sids $count)) {
            $names = 300; $domains = 300; $use = 0
            if ($n::LookupAccountSidW([IntPtr]::Zero, $sid, [byte[]]::new(600), [ref]$names, [byte[]]::new(600), [ref]$domains, [ref]$use, [ref]$e) -eq 0) { $use = 8 }
            "$use " + [Security.Principal.SecurityIdentifier]::new([IntPtr]$sid).Value
        })
    } finally {
        $memory::FreeHGlobal($text); $memory::FreeHGlobal($chars)
        if ($sids -ne [IntPtr]::Zero) { [void]$n::LsaFreeMemory($sids, [ref]$e) }
        [void]$n::LsaClose($policy, [ref]$e)
    }
}

# Get-HostLocalGroups USER: the names of this machine's groups that a user is in, also by way of another group; nothing when that
# cannot be known.
function Get-HostLocalGroups([string]$user) {
    $n = Use-HostNative; $buffer = [IntPtr]::Zero; $read = 0; $total = 0; $e = 0
    if ($n::NetUserGetLocalGroups([IntPtr]::Zero, $user, 0, 1, [ref]$buffer, -1, [ref]$read, [ref]$total, [ref]$e) -ne 0) { return $null }
    $names = @(foreach ($at in @(Read-HostPointers $buffer $read)) { [Runtime.InteropServices.Marshal]::PtrToStringUni($at) })
    [void]$n::NetApiBufferFree($buffer, [ref]$e)
    , $names
}

# Get-HostUser USER: @{ flags; passwordSet } of a user of this machine (USER_INFO_1), nothing when they cannot be known. Windows tells the
# password's age in seconds.
function Get-HostUser([string]$user) {
    $n = Use-HostNative; $memory = [Runtime.InteropServices.Marshal]; $buffer = [IntPtr]::Zero; $e = 0
    if ($n::NetUserGetInfo([IntPtr]::Zero, $user, 1, [ref]$buffer, [ref]$e) -ne 0) { return $null }
    $u = @{ flags = $memory::ReadInt32($buffer, 4 * [IntPtr]::Size + 8); passwordSet = $null }
    $age = [long]$memory::ReadInt32($buffer, 2 * [IntPtr]::Size) -band 4294967295
    [void]$n::NetApiBufferFree($buffer, [ref]$e)
    if ($age -gt 0) { $u.passwordSet = [DateTime]::UtcNow.AddSeconds(-$age) }
    $u
}

# Test-HostShut REFUSAL: yes where it says that the account is disabled or locked out. A domain that lets it in, or says nothing, says nothing
# of that. .NET keeps no number of the error, but its text, which Windows has in its own language.
function Test-HostShut([string]$text) {
    foreach ($e in 1331, 1909) { if ($text -ne '' -and $text -eq [ComponentModel.Win32Exception]::new($e).Message.TrimEnd('.', ' ', "`r", "`n")) { return 'yes' } }
    ''
}

# Get-HostIdentityOf ACCOUNT: @{ refusal; passwordSet }: why the domain gives the host no identity of an account, '' when it does, and when
# that account's password was set. The host itself asks (Kerberos' S4U2self): our logon could not go on to a domain controller from
# here. No password is tried, and nothing counts against the account.
function Get-HostIdentityOf([string]$account) {
    $domain, $user = $account.Split('\')
    if ($null -ne $user) { $account = $user + '@' + $domain }
    try { $identity = [Security.Principal.WindowsIdentity]::new($account) }
    catch { $e = $_.Exception; if ($null -ne $e.InnerException) { $e = $e.InnerException }; return @{ refusal = $e.Message.TrimEnd('.', ' ', "`r", "`n"); passwordSet = $null } }
    try { @{ refusal = ''; passwordSet = (Get-HostPasswordSet $identity) } } finally { $identity.Dispose() }
}

# Get-HostPasswordSet IDENTITY: when the password of its account was set, as its domain told with it: that stands in the session which
# Windows has made for the identity (SECURITY_LOGON_SESSION_DATA). Nothing where it does not.
function Get-HostPasswordSet($identity) {
    $n = Use-HostNative; $memory = [Runtime.InteropServices.Marshal]; $data = [IntPtr]::Zero; $size = 0; $e = 0
    $statistics = [byte[]]::new(56)   # TOKEN_STATISTICS: the second LUID is the session's
    if ($n::GetTokenInformation($identity.Token, 10, $statistics, 56, [ref]$size, [ref]$e) -eq 0) { return }
    $session = $memory::AllocHGlobal(8)
    try {
        $memory::Copy($statistics, 8, $session, 8)
        if ($n::LsaGetLogonSessionData($session, [ref]$data, [ref]$e) -ne 0 -or $data -eq [IntPtr]::Zero) { return }
        $at = 248; if ([IntPtr]::Size -eq 4) { $at = 160 }
        if ($memory::ReadInt32($data) -lt $at + 8) { return }
        $set = $memory::ReadInt64($data, $at)
        if ($set -gt 0 -and $set -lt [DateTime]::UtcNow.AddDays(1).ToFileTimeUtc()) { [DateTime]::FromFileTimeUtc($set) }
    } finally {
        $memory::FreeHGlobal($session)
        if ($data -ne [IntPtr]::Zero) { [void]$n::LsaFreeReturnBuffer($data, [ref]$e) }
    }
}

# Get-HostProcessUser ID: the SID of the account that a process runs as, nothing when it may not be asked.
function Get-HostProcessUser([int]$id) {
    $n = Use-HostNative; $token = [IntPtr]::Zero; $e = 0
    $process = $n::OpenProcess(0x1000, 0, $id, [ref]$e)
    if ($process -eq [IntPtr]::Zero) { return $null }
    $ok = $n::OpenProcessToken($process, 8, [ref]$token, [ref]$e)
    [void]$n::CloseHandle($process, [ref]$e)
    if ($ok -eq 0) { return $null }
    try { [Security.Principal.WindowsIdentity]::new($token).User.Value } finally { [void]$n::CloseHandle($token, [ref]$e) }
}

# Get-HostSid ACCOUNT: its SID, '' when there is no such account, nothing when that cannot be known.
function Get-HostSid([string]$account) {
    if ($account -eq 'LocalSystem') { return 'S-1-5-18' }
    if ($account.StartsWith('.\')) { $account = [Environment]::MachineName + $account.Substring(1) }
    try { [Security.Principal.NTAccount]::new($account).Translate([Security.Principal.SecurityIdentifier]).Value }
    catch [Security.Principal.IdentityNotMappedException] { '' }
    catch { }
}

# Test-HostHolder RIGHT ACCOUNT SID: yes or no, or '' where membership in a group of the domain decides.
function Test-HostHolder([string]$right, [string]$account, [string]$sid) {
    $holders = Get-HostHolders $right; $groups = $null; $asked = $false; $answer = 'no'
    if ($null -eq $holders) { return '' }
    foreach ($holder in $holders) {
        $use, $who = $holder.Split(' ')
        if (@($sid, 'S-1-1-0', 'S-1-5-11') -contains $who) { return 'yes' }
        if ($who -eq 'S-1-5-80-0') { if ($sid.StartsWith('S-1-5-80-')) { return 'yes' }; continue }
        if (@('1', '5', '9') -contains $use) { continue }   # another user, another built-in one, a computer
        if ($use -ne '4') { $answer = ''; continue }
        if (-not $asked) {
            $asked = $true; $names = Get-HostLocalGroups $account
            if ($null -ne $names) { $groups = @(foreach ($name in $names) { Get-HostSid $name }) }
        }
        if ($null -eq $groups) { $answer = '' } elseif ($groups -contains $who) { return 'yes' }
    }
    $answer
}

# Get-HostLogon SERVICE ACCOUNT: see Logon in logon.go. Without an account it is the service's own, and who runs is not asked.
function Get-HostLogon([string]$service, [string]$account) {
    $l = @{ exists = ''; right = ''; locked = ''; configured = ''; running = ''; passwordSet = $null }
    $name = (Get-HostServiceConfig $service).account; $own = $account -eq ''; if ($own) { $account = $name }
    $sid = Get-HostSid $account
    if ($name -eq $account) { $l.configured = 'yes' }
    if ($null -eq $sid) { return $l }
    if ($sid -eq '') { $l.exists = 'no'; return $l }
    $l.exists = 'yes'
    if (@('S-1-5-18', 'S-1-5-19', 'S-1-5-20') -contains $sid) { $l.right = 'yes' }
    else {
        $denied = Test-HostHolder 'SeDenyServiceLogonRight' $account $sid
        if ($denied -eq 'yes') { $l.right = 'no' } elseif ($denied -eq 'no') { $l.right = Test-HostHolder 'SeServiceLogonRight' $account $sid }
    }
    $at = $account.IndexOf('\')
    if ($at -gt 0 -and @('.', [Environment]::MachineName) -contains $account.Substring(0, $at)) {
        $user = Get-HostUser $account.Substring($at + 1)
        if ($null -ne $user) { $l.locked = 'no'; if ($user.flags -band 18) { $l.locked = 'yes' }; $l.passwordSet = $user.passwordSet }   # UF_LOCKOUT, UF_ACCOUNTDISABLE
    } elseif ($sid.StartsWith('S-1-5-21-')) {
        $known = Get-HostIdentityOf $account
        $l.locked = Test-HostShut $known.refusal; $l.passwordSet = $known.passwordSet
    }
    if ($own) { return $l }
    $now = Get-HostSid $name
    if ($now -eq $sid) { $l.configured = 'yes' } elseif ($null -ne $now) { $l.configured = 'no' }
    $status = Get-HostServiceStatus $service
    if ($null -eq $status -or $status.processId -eq 0) { return $l }
    $user = Get-HostProcessUser $status.processId
    if ($null -eq $user) { return $l }
    $l.running = 'no'; if ($user -eq $sid) { $l.running = 'yes' }
    $l
}

# Get-HostAuditing: @{ commandLines; sysmon }: whether events 4688 hold command lines, and whether Sysmon is installed.
function Get-HostAuditing {
    $a = @{ commandLines = 'no'; sysmon = 'no' }
    $key = Open-HostKey 'SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\Audit'
    if ($null -ne $key -and [int]$key.GetValue('ProcessCreationIncludeCmdLine_Enabled', 0) -eq 1) { $a.commandLines = 'yes' }
    foreach ($name in @('SysmonDrv', 'Sysmon', 'Sysmon64')) {
        if ($null -ne (Open-HostKey ('SYSTEM\CurrentControlSet\Services\' + $name))) { $a.sysmon = 'yes' }
    }
    $a
}

# Get-HostLogging: @{ scripts; modules; transcripts }: whether policy lets PowerShell record script blocks, calls of modules, sessions.
function Get-HostLogging {
    $l = @{}
    foreach ($part in @(@('scripts', 'ScriptBlockLogging', 'EnableScriptBlockLogging'), @('modules', 'ModuleLogging', 'EnableModuleLogging'), @('transcripts', 'Transcription', 'EnableTranscripting'))) {
        $l[$part[0]] = 'no'; $key = Open-HostKey ('SOFTWARE\Policies\Microsoft\Windows\PowerShell\' + $part[1])
        if ($null -ne $key -and [int]$key.GetValue($part[2], 0) -eq 1) { $l[$part[0]] = 'yes' }
    }
    $l
}

# Get-HostTrust PATH: what WinVerifyTrust says of a file's signature, as a number. Nothing is fetched from a network.
function Get-HostTrust([string]$path) {
    $n = Use-HostNative; $memory = [Runtime.InteropServices.Marshal]; $z = [IntPtr]::Size; $e = 0
    $text = $memory::StringToHGlobalUni($path); $file = $memory::AllocHGlobal(4 * $z); $data = $memory::AllocHGlobal(11 * $z)
    try {
        for ($k = 0; $k -lt 4; $k++) { $memory::WriteIntPtr($file, $k * $z, [IntPtr]::Zero) }
        for ($k = 0; $k -lt 11; $k++) { $memory::WriteIntPtr($data, $k * $z, [IntPtr]::Zero) }
        $memory::WriteInt32($file, 0, 4 * $z); $memory::WriteIntPtr($file, $z, $text)   # WINTRUST_FILE_INFO
        $memory::WriteInt32($data, 0, 8 * $z + 16)                     # WINTRUST_DATA, without what Windows 8 has added
        $memory::WriteInt32($data, 3 * $z, 2)                          # WTD_UI_NONE
        $memory::WriteInt32($data, 3 * $z + 8, 1)                      # WTD_CHOICE_FILE
        $at = 3 * $z + 12; if ($z -eq 8) { $at += 4 }
        $memory::WriteIntPtr($data, $at, $file)
        $flags = $at + 4 * $z
        $memory::WriteInt32($data, $flags, 0x1000)                     # WTD_CACHE_ONLY_URL_RETRIEVAL
        $action = [Guid]::new('00aac56b-cd44-11d0-8cc2-00c04fc295ee').ToByteArray()   # WINTRUST_ACTION_GENERIC_VERIFY_V2
        [long]$n::WinVerifyTrust([IntPtr]::new(-1), $action, $data, [ref]$e) -band 4294967295
    } finally { $memory::FreeHGlobal($data); $memory::FreeHGlobal($file); $memory::FreeHGlobal($text) }
}

# Open-HostStore STORE FLAGS: a store of certificates, "LocalMachine\My".
function Open-HostStore([string]$store, [string]$flags) {
    $place, $name = $store.Split('\')
    $opened = [Security.Cryptography.X509Certificates.X509Store]::new($name, [Security.Cryptography.X509Certificates.StoreLocation]$place)
    $opened.Open([Security.Cryptography.X509Certificates.OpenFlags]$flags)
    $opened
}

# Get-HostKeyPlace STORE: where the keys of the store's certificates are kept.
function Get-HostKeyPlace([string]$store) { if ($store -like 'LocalMachine\*') { 'MachineKeySet' } else { 'UserKeySet' } }

# Set-HostVariable NAME VALUE: a variable of the machine's environment; '' removes it. Programs that run are told.
function Set-HostVariable([string]$name, [string]$value) {
    if ($value -eq '') { $value = [Management.Automation.Language.NullString]::Value }
    [Environment]::SetEnvironmentVariable($name, $value, [EnvironmentVariableTarget]::Machine)
}

# Test-HostEnvironment: the number of the error that Set-HostVariable would meet, 0 for none. .NET opens the key like this, too.
function Test-HostEnvironment {
    try {
        $base = [Microsoft.Win32.RegistryKey]::OpenBaseKey([Microsoft.Win32.RegistryHive]::LocalMachine, [Microsoft.Win32.RegistryView]::Default)
        $base.OpenSubKey('SYSTEM\CurrentControlSet\Control\Session Manager\Environment', $true).Dispose()
        0
    } catch [Security.SecurityException], [UnauthorizedAccessException] { 5 }
}

# Get-HostShell SCRIPT: @{ program; arguments } of what runs a script once it has read a line.
function Get-HostShell([string]$script) { @{ program = (Resolve-HostPath '%SystemRoot%\System32\cmd.exe'); arguments = '/d /s /c "set /p go=& "' + $script + '""' } }

# New-HostJob PROCESS: a job with the process in it, and whatever it starts from then on. Windows ends them all when the handle is
# closed, and so when this process ends.
function New-HostJob($process) {
    $n = Use-HostNative; $e = 0; $none = [IntPtr]::Zero; $limits = [byte[]]::new(48 + 12 * [IntPtr]::Size)   # JOBOBJECT_EXTENDED_LIMIT_INFORMATION
    $limits[17] = 0x20   # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    $job = $n::CreateJobObjectW($none, $none, [ref]$e)
    if ($job -eq $none) { throw [ComponentModel.Win32Exception]::new($e) }
    if ($n::SetInformationJobObject($job, 9, $limits, $limits.Length, [ref]$e) -eq 0 -or $n::AssignProcessToJobObject($job, $process.Handle, [ref]$e) -eq 0) {
        $failed = $e; [void]$n::CloseHandle($job, [ref]$e); throw [ComponentModel.Win32Exception]::new($failed)
    }
    $job
}

# Stop-HostJob JOB: ends all that is in it.
function Stop-HostJob($job) { $n = Use-HostNative; $e = 0; [void]$n::TerminateJobObject($job, 1, [ref]$e); [void]$n::CloseHandle($job, [ref]$e) }

# --- end: below, everything runs on any system -------------------------------------------------------------------

function Get-Hex([byte[]]$b) { [BitConverter]::ToString($b).Replace('-', '').ToLowerInvariant() }

function New-Result([string]$code, [string]$message) { @{ code = $code; win32 = 0; message = $message; blob = -1 } }

# The result for an error. Without a number of Windows it tells where the error is, not what it says.
function New-Failure($e) {
    $number = 0; $x = $e.Exception; $text = ''
    while ($null -ne $x) {
        if ($x -is [ComponentModel.Win32Exception]) { $number = $x.NativeErrorCode; $text = $x.Message }
        elseif (($x.HResult -band -65536) -eq -2147024896) { $number = $x.HResult -band 65535; $text = $x.Message }
        $kind = $x.GetType().FullName
        $x = $x.InnerException
    }
    if ($number -eq 0) { $text = $kind + ' at line ' + $e.InvocationInfo.ScriptLineNumber + ' of host.ps1' }
    $code = 'failed'
    if (@(2, 3, 1060) -contains $number) { $code = 'notFound' }
    elseif ($number -eq 5) { $code = 'denied' }
    elseif (@(32, 33) -contains $number) { $code = 'sharing' }
    elseif (@(39, 112) -contains $number) { $code = 'diskFull' }
    @{ code = $code; win32 = $number; message = $text; blob = -1 }
}

# --- files

# With some patience for a process that is about to close the file.
function Open-Shared([string]$path) {
    for ($try = 1; ; $try++) {
        try { return [IO.FileStream]::new($path, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]7) }
        catch [IO.FileNotFoundException], [IO.DirectoryNotFoundException] { return $null }
        catch { if (@(32, 33) -notcontains (New-Failure $_).win32 -or $try -ge 10) { throw } }
        [Threading.Thread]::Sleep(150)
    }
}

function Get-Sibling([string]$path) {
    $f = Open-Shared $path
    if ($null -eq $f) { return $null }
    try { @{ sha256 = (Get-Hex $sha.ComputeHash($f)); size = $f.Length } } finally { $f.Dispose() }
}

function Get-FileState([string]$path, [bool]$keep, [long]$most) {
    $s = @{ exists = $false; sha256 = ''; size = 0; modified = $null; changed = $null; readOnly = $false; attributes = 0; owner = ''; usersCanRead = ''; content = $null }
    $f = Open-Shared $path
    if ($null -ne $f) {
        try {
            $s.exists = $true; $s.size = $f.Length
            if ($keep -and ($most -eq 0 -or $f.Length -le $most)) {
                if ($f.Length -gt 33554432) { throw [ComponentModel.Win32Exception]::new(223) }   # file too large
                $s.content = [byte[]]::new([int]$f.Length); $at = 0
                while ($at -lt $s.content.Length) {
                    $got = $f.Read($s.content, $at, $s.content.Length - $at)
                    if ($got -le 0) { throw [ComponentModel.Win32Exception]::new(38) }   # it became shorter meanwhile
                    $at += $got
                }
                $s.sha256 = Get-Hex $sha.ComputeHash($s.content)
            } else { $s.sha256 = Get-Hex $sha.ComputeHash($f) }
            $s.changed = Get-HostFileChanged $f
        } finally { $f.Dispose() }
        $s.attributes = [int][IO.File]::GetAttributes($path)
        $s.readOnly = ($s.attributes -band 1) -ne 0
        $s.modified = [IO.File]::GetLastWriteTimeUtc($path)
        try { $access = Get-HostAccess $path; $s.owner = $access.owner; $s.usersCanRead = $access.usersCanRead } catch { }
    }
    $s.staged = Get-Sibling ($path + '.meshrotate-new')
    $s.backup = Get-Sibling ($path + '.meshrotate-old')
    $s
}

function New-FileResult([string]$code, $state, [string]$message, [int]$number) {
    $r = New-Result $code $message
    $r.win32 = $number; $r.file = $state
    $r
}

function Write-Staged([string]$path, [bool]$exists, [byte[]]$content) {
    $new = $path + '.meshrotate-new'
    [IO.File]::Delete($new)
    if ($exists) { $f = New-HostFile $new $path } else { $f = [IO.FileStream]::new($new, [IO.FileMode]::CreateNew, [IO.FileAccess]::Write, [IO.FileShare]::None) }
    try { try { $f.Write($content, 0, $content.Length); $f.Flush($true) } finally { $f.Dispose() } }
    catch { [IO.File]::Delete($new); throw }
}

# Puts FROM in the place of TO, with some patience for a process that is about to close the file. Whatever an error
# says, the hash tells what happened; and a file that is only in its backup (1177) is put back.
function Set-Live([string]$from, [string]$to, [string]$backup, $state, [string]$want) {
    for ($try = 1; ; $try++) {
        try {
            if ($state.exists) { Invoke-HostReplace $from $to $backup } else { [IO.File]::Move($from, $to) }
            break
        } catch {
            $number = (New-Failure $_).win32
            $live = Get-Sibling $to
            if ($null -ne $live -and $live.sha256 -eq $want) { break }
            if ($null -eq $live -and $state.exists -and [IO.File]::Exists($backup)) { [IO.File]::Move($backup, $to) }
            if (@(32, 33, 1175, 1176, 1177) -notcontains $number -or $try -ge 10) { throw }
            [Threading.Thread]::Sleep(150)
        }
    }
    [IO.File]::SetLastWriteTimeUtc($to, [DateTime]::UtcNow)
}

function Get-Proven([string]$path, [string]$code, [string]$want) {
    $s = Get-FileState $path $false
    if ($s.sha256 -eq $want) { return New-FileResult $code $s '' 0 }
    New-FileResult 'failed' $s 'the file is not what was written' 0
}

function Invoke-FileRead($a, $path) {
    $s = Get-FileState $path (-not $a.hashOnly) $a.most
    if ($null -ne $a.any -and @($a.any) -notcontains $s.sha256) { return New-FileResult 'conflict' $s 'the file is not as expected' 0 }
    New-FileResult 'ok' $s '' 0
}

function Invoke-FileStage($a, $path, [byte[]]$content) {
    $s = Get-FileState $path $false; $hash = Get-Hex $sha.ComputeHash($content)
    if ($s.sha256 -ne $a.expect) { return New-FileResult 'conflict' $s 'the file is not as expected' 0 }
    if ($s.readOnly) { return New-FileResult 'denied' $s 'the file is read-only' 5 }
    if ($null -ne $s.staged -and $s.staged.sha256 -eq $hash) { return New-FileResult 'unchanged' $s '' 0 }
    if (-not [IO.Directory]::Exists([IO.Path]::GetDirectoryName($path))) { return New-FileResult 'notFound' $s 'there is no such folder' 3 }
    if ((Get-HostFreeSpace $path) -lt $content.Length + 65536) { return New-FileResult 'diskFull' $s 'not enough space' 112 }
    Write-Staged $path $s.exists $content
    $r = Get-Proven $path 'ok' $a.expect
    if ($null -eq $r.file.staged -or $r.file.staged.sha256 -ne $hash) { $r.code = 'failed'; $r.message = 'the staged file is not what was written' }
    $r
}

function Invoke-FileSwap($a, $path) {
    $new = $path + '.meshrotate-new'
    $s = Get-FileState $path $false
    if ($s.exists -and $s.sha256 -eq $a.staged) { [IO.File]::Delete($new); return Get-Proven $path 'unchanged' $a.staged }
    if ($s.sha256 -ne $a.expect) { return New-FileResult 'conflict' $s 'the file is not as expected' 0 }
    if ($null -eq $s.staged) { return New-FileResult 'notFound' $s 'nothing is staged' 2 }
    if ($s.staged.sha256 -ne $a.staged) { return New-FileResult 'conflict' $s 'the staged file is not as expected' 0 }
    if ($s.readOnly) { return New-FileResult 'denied' $s 'the file is read-only' 5 }
    Set-Live $new $path ($path + '.meshrotate-old') $s $a.staged
    Get-Proven $path 'ok' $a.staged
}

function Invoke-FileRestore($a, $path) {
    $new = $path + '.meshrotate-new'; $old = $path + '.meshrotate-old'
    $s = Get-FileState $path $false
    if ($s.sha256 -eq $a.backup) {
        if ($null -ne $s.backup -and $s.backup.sha256 -eq $a.backup) { [IO.File]::Delete($old) }
        return Get-Proven $path 'unchanged' $a.backup
    }
    # What was to be put there still waits: the file that somebody else has changed stays.
    if ($s.sha256 -ne $a.expect -and $null -eq $s.backup -and $null -ne $s.staged -and $s.staged.sha256 -eq $a.expect) { return New-FileResult 'unchanged' $s '' 0 }
    if ($s.sha256 -ne $a.expect) { return New-FileResult 'conflict' $s 'the file is not as expected' 0 }
    if ($s.readOnly) { return New-FileResult 'denied' $s 'the file is read-only' 5 }
    if ($a.backup -eq '') { [IO.File]::Delete($path); return Get-Proven $path 'ok' '' }
    if ($null -eq $s.backup) { return New-FileResult 'notFound' $s 'there is no backup' 2 }
    if ($s.backup.sha256 -ne $a.backup) { return New-FileResult 'conflict' $s 'the backup is not as expected' 0 }
    Set-Live $old $path $new $s $a.backup
    [IO.File]::Delete($new)
    Get-Proven $path 'ok' $a.backup
}

function Invoke-FileDiscard($a, $path) {
    $s = Get-FileState $path $false
    if ($a.which -eq 'backup') { $left = $s.backup; $name = $path + '.meshrotate-old' } else { $left = $s.staged; $name = $path + '.meshrotate-new' }
    if ($null -eq $left) { return New-FileResult 'unchanged' $s '' 0 }
    if ($a.sha256 -ne '' -and $left.sha256 -ne $a.sha256) { return New-FileResult 'conflict' $s 'the leftover is not as expected' 0 }
    [IO.File]::Delete($name)
    Get-Proven $path 'ok' $s.sha256
}

# One op on a file at a time, on this host, whoever asks.
function Invoke-File($item, $blobs) {
    $a = $item.args
    $path = Resolve-HostPath $a.path
    if (-not [IO.Path]::IsPathRooted($path)) { $r = New-Result 'failed' 'the path is not absolute'; $r.win32 = 161; return $r }
    if ($item.op -eq 'file.read') { return Invoke-FileRead $a $path }
    $name = Get-Hex $sha.ComputeHash([Text.Encoding]::UTF8.GetBytes($path.ToLowerInvariant()))
    $mutex = [Threading.Mutex]::new($false, 'Global\meshrotate-' + $name.Substring(0, 32))
    try {
        try { $mine = $mutex.WaitOne(30000) } catch [Threading.AbandonedMutexException] { $mine = $true }
        if (-not $mine) { return New-Result 'timeout' 'another session is changing the file' }
        try {
            if ($item.op -eq 'file.stage') { return Invoke-FileStage $a $path $blobs[$item.blob] }
            if ($item.op -eq 'file.swap') { return Invoke-FileSwap $a $path }
            if ($item.op -eq 'file.restore') { return Invoke-FileRestore $a $path }
            Invoke-FileDiscard $a $path
        } finally { $mutex.ReleaseMutex() }
    } finally { $mutex.Dispose() }
}

# --- services

function Get-ServiceState([string]$name) {
    $s = @{ installed = $false; state = ''; pid = 0; startedAt = $null; account = ''; startMode = ''; exitCode = 0; environment = @(); dependents = @() }
    $status = Get-HostServiceStatus $name
    if ($null -eq $status) { return $s }
    $config = Get-HostServiceConfig $name
    $s.installed = $true; $s.state = $status.state; $s.pid = $status.processId
    if (@('running', 'startPending') -notcontains $s.state) { $s.exitCode = $status.exitCode }
    $s.account = $config.account; $s.startMode = $config.startMode
    if ($s.pid -ne 0) { $s.startedAt = Get-HostProcessStart $s.pid }
    $s.environment = @((Get-HostEnvironment $name).Keys)
    $s.dependents = @(Get-HostServiceDependents $name)
    [Array]::Reverse($s.dependents)
    $s
}

# Waits until the service is in one of the states, and returns its status; nothing when the time is over.
function Wait-State([string]$name, [string[]]$states, [DateTime]$deadline) {
    while ($true) {
        $status = Get-HostServiceStatus $name
        if ($null -eq $status) { throw [ComponentModel.Win32Exception]::new(1060) }
        if ($states -contains $status.state) { return $status }
        if ([DateTime]::UtcNow -ge $deadline) { return $null }
        [Threading.Thread]::Sleep(50)
    }
}

function Get-Deadline([int]$seconds) { if ($seconds -le 0) { $seconds = 60 }; [DateTime]::UtcNow.AddSeconds($seconds) }

function Stop-One([string]$name, [DateTime]$deadline) {
    $status = Wait-State $name @('stopped', 'stopPending', 'running', 'paused') $deadline   # a start under way is waited for
    if ($null -eq $status) { return New-Result 'timeout' 'the service did not stop in time' }
    if ($status.state -eq 'stopped') { return New-Result 'unchanged' '' }
    if ($status.state -ne 'stopPending') {
        try { Stop-HostService $name } catch { $r = New-Failure $_; if (@(1061, 1062) -notcontains $r.win32) { return $r } }
    }
    if ($null -eq (Wait-State $name @('stopped') $deadline)) { return New-Result 'timeout' 'the service did not stop in time' }
    New-Result 'ok' ''
}

function Invoke-ServiceStop($a) {
    $begin = [DateTime]::UtcNow; $deadline = Get-Deadline $a.timeoutSeconds
    $dependents = @(Get-HostServiceDependents $a.name)
    foreach ($name in $dependents + $a.name) {
        $r = Stop-One $name $deadline
        if (@('ok', 'unchanged') -notcontains $r.code) { break }
    }
    $s = Get-ServiceState $a.name
    [Array]::Reverse($dependents)
    $s.begin = $begin; $s.end = [DateTime]::UtcNow; $s.dependents = $dependents; $r.service = $s
    $r
}

function Start-One([string]$name, [DateTime]$deadline, [int]$stable) {
    $code = 'unchanged'
    $status = Wait-State $name @('stopped', 'startPending', 'running', 'paused', 'pausePending', 'continuePending') $deadline
    if ($null -ne $status -and $status.state -eq 'stopped') {
        $code = 'ok'
        try { Start-HostService $name } catch { $r = New-Failure $_; if ($r.win32 -ne 1056) { return $r } }
    }
    if ($null -ne $status) { $status = Wait-State $name @('stopped', 'stopPending', 'running', 'paused') $deadline }
    if ($null -eq $status) { return New-Result 'timeout' 'the service did not start in time' }
    $id = $status.processId; $since = Get-HostProcessStart $id
    if ($null -eq $since) { $since = [DateTime]::UtcNow }
    while ($status.state -eq 'running' -and $status.processId -eq $id -and ([DateTime]::UtcNow - $since).TotalSeconds -lt $stable) {
        [Threading.Thread]::Sleep(50)
        $status = Get-HostServiceStatus $name
    }
    if ($status.state -eq 'running' -and $status.processId -eq $id) { return New-Result $code '' }
    $r = New-Result 'failed' 'the service stopped by itself'
    $r.win32 = $status.exitCode
    $r
}

function Invoke-ServiceStart($a) {
    $begin = [DateTime]::UtcNow
    $r = Start-One $a.name (Get-Deadline $a.timeoutSeconds) $a.stableSeconds
    foreach ($name in $a.dependents) {
        if (@('ok', 'unchanged') -notcontains $r.code) { break }
        $d = Start-One $name (Get-Deadline $a.timeoutSeconds) 0
        if ($d.code -ne 'unchanged') { $r = $d; if ($d.code -ne 'ok') { $r.message = 'dependent ' + $name + ': ' + $d.message } }
    }
    $s = Get-ServiceState $a.name
    $s.begin = $begin; $s.end = [DateTime]::UtcNow; $s.registration = Get-Registration $a.name; $r.service = $s
    $r
}

# The password goes on as an array of bytes, to Windows itself. Without one it is known whether there is anything to do.
function Invoke-ServiceLogon($a, [byte[]]$password) {
    $begin = [DateTime]::UtcNow; $r = New-Result 'ok' ''
    if ($null -eq $password -and (Get-HostServiceConfig $a.name).account -eq $a.account) { $r.code = 'unchanged' }
    else { Set-HostServiceLogon $a.name $a.account $password }
    $s = Get-ServiceState $a.name
    $s.begin = $begin; $s.end = [DateTime]::UtcNow; $r.service = $s
    $r
}

function Invoke-Service($item, $blobs) {
    $a = $item.args
    if ($item.op -eq 'service.query') { $r = New-Result 'ok' ''; $r.service = Get-ServiceState $a.name; return $r }
    if ($null -eq (Get-HostServiceStatus $a.name)) { throw [ComponentModel.Win32Exception]::new(1060) }
    if ($item.op -eq 'service.stop') { return Invoke-ServiceStop $a }
    if ($item.op -eq 'service.start') { return Invoke-ServiceStart $a }
    if ($item.op -eq 'logon.read') { $r = New-Result 'ok' ''; $r.logon = Get-HostLogon $a.name $a.account; return $r }
    $password = $null; if ($item.blob -ge 0) { $password = $blobs[$item.blob] }
    Invoke-ServiceLogon $a $password
}

# --- what stands in the way

function Invoke-Preflight($a) {
    $t = @{ service = 0; file = 0; folder = 0; readOnly = $false; size = 0; free = -1; store = 0; environment = 0 }
    $r = New-Result 'ok' ''
    $r.trials = $t
    if ($a.name -ne '') { $t.service = Test-HostService $a.name $a.logon }
    if ($a.store -ne '') { $t.store = Test-Store $a.store; if ($t.store -eq 0) { $t.store = Test-Store ($a.store.Split('\')[0] + '\CA') } }
    if ($a.machine) { $t.environment = Test-HostEnvironment }
    if ($a.path -eq '') { return $r }
    $path = Resolve-HostPath $a.path
    if (-not [IO.Path]::IsPathRooted($path)) { $r = New-Result 'failed' 'the path is not absolute'; $r.win32 = 161; return $r }
    $t.folder = Test-HostFolder ([IO.Path]::GetDirectoryName($path))
    $info = [IO.FileInfo]::new($path)
    if ($info.Exists) {
        $t.readOnly = $info.IsReadOnly; $t.size = $info.Length
        for ($try = 1; ; $try++) {
            $t.file = Test-HostFile $path
            if (@(32, 33) -notcontains $t.file -or $try -ge 10) { break }
            [Threading.Thread]::Sleep(150)
        }
    }
    try { $t.free = Get-HostFreeSpace $path } catch { }
    $r
}

# --- who else could come by a secret

# The program in a command line. Without quotes Windows tries what is before each blank.
function Split-Program([string]$line) {
    $quoted = [regex]::Match($line, '^\s*"([^"]+)"')
    if ($quoted.Success) { return @{ path = $quoted.Groups[1].Value; unquoted = 'no' } }
    $bare = [regex]::Match($line, '^\s*(.+?\.exe)(?=\s|$)', [Text.RegularExpressions.RegexOptions]::IgnoreCase)
    if (-not $bare.Success) { $bare = [regex]::Match($line, '^\s*(\S+)') }
    $unquoted = 'no'; if ($bare.Groups[1].Value.Contains(' ')) { $unquoted = 'yes' }
    @{ path = $bare.Groups[1].Value; unquoted = $unquoted }
}

function Get-Folder([string]$path) { $path.Substring(0, [Math]::Max(0, $path.LastIndexOfAny([char[]]@('\', '/')))) }

# Notes the path if ordinary users have one of these rights to it.
function Add-Writable($e, [string]$path, [int]$bits) {
    if ($path -eq '') { return }
    $name = Get-HostFullName $path
    try { $rights = Get-HostRights (Resolve-HostPath $path) } catch { $e.unknown += $name; return }
    if ($null -ne $rights -and ($rights -band $bits) -ne 0 -and $e.writable -notcontains $name) { $e.writable += $name }
}

# Files beside PATH that look like earlier versions of it, or like transcripts: their names, never what is in them.
function Get-Leftovers([string]$path) {
    $folder = [IO.DirectoryInfo]::new([IO.Path]::GetDirectoryName($path)); if (-not $folder.Exists) { return }
    $own = [IO.Path]::GetFileName($path); $stem = [regex]::Escape([IO.Path]::GetFileNameWithoutExtension($path)); $found = 0
    $old = '(?i)^(' + $stem + '(?=[ ._(~-]).*([ ._(-](bak|backup|old|new|orig|save|tmp|temp|copy)\d*([ ._)-].*)?|\.\d{6,}|~)$|copy of ' + $stem + '|PowerShell_transcript\.)'
    foreach ($one in $folder.GetFiles()) {
        if ($one.Name -eq $own -or $one.Name.Contains('.meshrotate-') -or -not [regex]::IsMatch($one.Name, $old)) { continue }
        $open = ''; try { $open = 'no'; if ((Get-HostRights $one.FullName) -band 1) { $open = 'yes' } } catch { $open = '' }
        @{ name = $one.Name; changed = $one.LastWriteTimeUtc; usersCanRead = $open }
        if (++$found -ge 20) { return }
    }
}

function Invoke-Exposure($a) {
    $e = @{ program = ''; unquoted = 'no'; readable = ''; writable = @(); unknown = @(); left = @(); scripts = ''; modules = ''; transcripts = ''; commandLines = ''; sysmon = '' }
    $r = New-Result 'ok' ''; $r.exposed = $e
    if ($a.path -ne '') {
        $path = Resolve-HostPath $a.path
        if (-not [IO.Path]::IsPathRooted($path)) { $r = New-Result 'failed' 'the path is not absolute'; $r.win32 = 161; return $r }
        Add-Writable $e $a.path 0xD0006; Add-Writable $e (Get-Folder $a.path) 0xC0042   # write, append, delete, change rules, take ownership; of a folder: make files, delete in it
        if ([IO.File]::Exists($path)) { try { $open = 'no'; if ((Get-HostRights $path) -band 1) { $open = 'yes' }; $e.readable = $open } catch { } }
        try { $e.left = @(Get-Leftovers $path) } catch { $e.unknown += Get-HostFullName (Get-Folder $a.path) }
    }
    if ($a.name -ne '') { $line = (Get-HostServiceConfig $a.name).imagePath } else { $line = '' }
    if ($line -ne '') {
        $program = Split-Program $line; $e.program = Get-HostFullName $program.path; $e.unquoted = $program.unquoted
        Add-Writable $e $program.path 0xD0006; Add-Writable $e (Get-Folder $program.path) 0xC0042
    }
    try { $l = Get-HostLogging; $e.scripts = $l.scripts; $e.modules = $l.modules; $e.transcripts = $l.transcripts } catch { }
    try { $l = Get-HostAuditing; $e.commandLines = $l.commandLines; $e.sysmon = $l.sysmon } catch { }
    $r
}

# --- signatures

function Invoke-Signatures($a) {
    Add-Type -AssemblyName System.Security
    $r = New-Result 'ok' ''; $r.signatures = @{ exists = $false; files = @(); below = '' }
    $folder = Resolve-HostPath $a.path
    if (-not [IO.Path]::IsPathRooted($folder)) { $r = New-Result 'failed' 'the path is not absolute'; $r.win32 = 161; return $r }
    if (-not [IO.Directory]::Exists($folder)) { return $r }
    $paths = [string[]]@(foreach ($p in [IO.Directory]::GetFiles($folder)) { if ($p.EndsWith($a.suffix, [StringComparison]::OrdinalIgnoreCase)) { $p } })
    [Array]::Sort($paths, [StringComparer]::Ordinal)
    $r.signatures.exists = $true
    $r.signatures.files = @(foreach ($p in $paths) { Get-SignedFile $p })
    $below = Find-Below $folder $a.suffix
    if ($below) { $r.signatures.below = $below.Substring($folder.TrimEnd('\', '/').Length + 1) }
    $r
}

# A file below the folders of a folder whose name ends so; or the first of them that cannot be looked into, or is a link: it is not
# followed, as it may lead in a circle.
function Find-Below([string]$folder, [string]$suffix) {
    foreach ($d in [IO.Directory]::GetDirectories($folder)) {
        if (([IO.File]::GetAttributes($d) -band [IO.FileAttributes]::ReparsePoint) -ne 0) { return $d }
        try {
            foreach ($p in [IO.Directory]::GetFiles($d)) { if ($p.EndsWith($suffix, [StringComparison]::OrdinalIgnoreCase)) { return $p } }
            $p = Find-Below $d $suffix
            if ($p) { return $p }
        } catch { return $d }
    }
}

# Read-Chain FILE START MOST: the sectors of a compound file (MS-CFB) that follow on START, as many as have MOST bytes.
function Read-Chain($c, [long]$at, [long]$most) {
    $b = [IO.MemoryStream]::new(); $each = $c.size / 4
    while ($at -lt 4294967290 -and $b.Length -lt $most) {
        [void]$c.file.Seek(($at + 1) * $c.size, 0); $d = $c.reader.ReadBytes($c.size); $b.Write($d, 0, $d.Length)
        [long]$table = $c.fat[[int][Math]::Floor($at / $each)]
        [void]$c.file.Seek(($table + 1) * $c.size + 4 * ($at % $each), 0); $at = $c.reader.ReadUInt32()
    }
    , $b.ToArray()
}

# The signature of an MSI, a PKCS #7: a stream of its compound file, among those of the root.
function Get-StreamSignature($f, $r) {
    [void]$f.Seek(30, 0); $c = @{ file = $f; reader = $r; size = 1 -shl $r.ReadUInt16(); fat = [Collections.Generic.List[long]]::new() }
    if (@(512, 4096) -notcontains $c.size) { return }
    [void]$f.Seek(48, 0); $n = @(foreach ($k in 0..6) { [long]$r.ReadUInt32() }); $directory, $more = $n[0], $n[5]
    foreach ($k in 1..109) { $c.fat.Add($r.ReadUInt32()) }
    while ($more -lt 4294967290 -and $c.fat.Count -lt $f.Length / $c.size) {
        [void]$f.Seek(($more + 1) * $c.size, 0)
        for ($k = 1; $k -lt $c.size / 4; $k++) { $c.fat.Add($r.ReadUInt32()) }
        $more = $r.ReadUInt32()
    }
    $d = Read-Chain $c $directory 4194304
    $todo = [Collections.Generic.Stack[long]]::new(); $todo.Push([BitConverter]::ToUInt32($d, 76))   # the root's child, and its siblings
    for ($left = $d.Length / 128; $todo.Count -gt 0 -and $left -gt 0; $left--) {
        $e = $todo.Pop() * 128
        if ($e -ge $d.Length) { continue }
        $todo.Push([BitConverter]::ToUInt32($d, $e + 68)); $todo.Push([BitConverter]::ToUInt32($d, $e + 72))
        if ([Text.Encoding]::Unicode.GetString($d, $e, 36) -cne ([char]5 + "DigitalSignature`0")) { continue }
        $at, $size = [BitConverter]::ToUInt32($d, $e + 116), [BitConverter]::ToUInt32($d, $e + 120)
        if ($size -gt 1048576) { return }
        if ($size -ge $n[2]) { $b = Read-Chain $c $at $size } else {   # short ones lie in a stream of their own
            $short = Read-Chain $c ([BitConverter]::ToUInt32($d, 116)) ([Math]::Min($f.Length, [BitConverter]::ToUInt32($d, 120))); $table = Read-Chain $c $n[3] $f.Length
            $b = [byte[]]::new(64 * [Math]::Ceiling($size / 64))
            for ($k = 0; $k -lt $size; $k += 64) { [Buffer]::BlockCopy($short, 64 * $at, $b, $k, 64); $at = [BitConverter]::ToUInt32($table, 4 * $at) }
        }
        $der = [byte[]]::new($size); [Buffer]::BlockCopy($b, 0, $der, 0, $size)
        return , $der
    }
}

# The signatures in a file, PKCS #7 each: those of a PE are the certificates that its optional header's fifth directory names.
function Get-Certificates($f) {
    $r = [IO.BinaryReader]::new($f)
    if ($f.Length -lt 512) { return }
    if ($r.ReadUInt32() -eq 3759263696 -and $r.ReadUInt32() -eq 3776623009) { return Get-StreamSignature $f $r }
    [void]$f.Seek(0, 0); if ($r.ReadUInt16() -ne 0x5a4d) { return }
    [void]$f.Seek(60, 0); $head = $r.ReadUInt32()
    if ($head -gt $f.Length - 200) { return }
    [void]$f.Seek($head, 0); if ($r.ReadUInt32() -ne 0x4550) { return }
    [void]$f.Seek($head + 24, 0); $table = 96; if ($r.ReadUInt16() -eq 0x20b) { $table = 112 }
    [void]$f.Seek($head + 24 + $table + 32, 0); [long]$at = $r.ReadUInt32(); $end = $at + $r.ReadUInt32()
    if ($end -gt $f.Length) { return }
    while ($at -gt 0 -and $at + 8 -lt $end) {
        [void]$f.Seek($at, 0); [long]$length = $r.ReadUInt32(); [void]$r.ReadUInt16(); $kind = $r.ReadUInt16()
        if ($length -lt 9 -or $at + $length -gt $end) { return }
        if ($kind -eq 2) {
            $b = $r.ReadBytes([int]$length - 8); $size = $b.Length   # with what fills it up to 8 bytes
            if ($b.Length -gt 4 -and $b[1] -eq 0x82) { $size = 4 + 256 * $b[2] + $b[3] } elseif ($b.Length -gt 5 -and $b[1] -eq 0x83) { $size = 5 + 65536 * $b[2] + 256 * $b[3] + $b[4] }
            if ($size -gt $b.Length) { return }
            $der = [byte[]]::new($size); [Buffer]::BlockCopy($b, 0, $der, 0, $size)
            , $der
        }
        $at += ($length + 7) -band -8
    }
}

# Who has signed: those of one PKCS #7, and of those that were added to it as an attribute.
function Get-Signers([byte[]]$signature) {
    $cms = [Security.Cryptography.Pkcs.SignedCms]::new(); $cms.Decode($signature)
    foreach ($signer in $cms.SignerInfos) {
        $c = $signer.Certificate; if ($null -eq $c) { continue }
        $s = @{ sha1 = $c.Thumbprint.ToUpperInvariant(); sha256 = (Get-Hex $sha.ComputeHash($c.RawData)).ToUpperInvariant(); subject = $c.Subject
            notAfter = $c.NotAfter.ToUniversalTime(); stamped = $false }
        $more = @()
        foreach ($a in $signer.UnsignedAttributes) {
            if (@('1.2.840.113549.1.9.6', '1.3.6.1.4.1.311.3.3.1') -contains $a.Oid.Value) { $s.stamped = $true }   # counterSignature, RFC 3161
            if ($a.Oid.Value -eq '1.3.6.1.4.1.311.2.4.1') { foreach ($v in $a.Values) { $more += , $v.RawData } }   # a nested signature
        }
        $s
        foreach ($m in $more) { Get-Signers $m }
    }
}

# Get-Signature PATH FILE: what WinVerifyTrust says, and the signers. FILE is open.
function Get-Signature([string]$path, $f) {
    $signers = @(foreach ($c in @(Get-Certificates $f)) { try { Get-Signers $c } catch { } })
    @{ trust = (Get-HostTrust $path); signers = $signers }
}

$signatures = @{}   # by what the files hold: the same file is looked at once
function Get-SignedFile([string]$path) {
    $s = @{ name = [IO.Path]::GetFileName($path); sha256 = ''; trust = 0; signers = @(); error = 0 }
    try {
        $f = Open-Shared $path
        if ($null -eq $f) { $s.error = 2; return $s }
        try {
            $s.sha256 = Get-Hex $sha.ComputeHash($f)
            if (-not $signatures.ContainsKey($s.sha256)) { [void]$f.Seek(0, 0); $signatures[$s.sha256] = Get-Signature $path $f }
        } finally { $f.Dispose() }
        $s.trust = $signatures[$s.sha256].trust; $s.signers = $signatures[$s.sha256].signers
    } catch { $s.error = (New-Failure $_).win32; if ($s.error -eq 0) { $s.error = 13 } }   # ERROR_INVALID_DATA
    $s
}

# --- certificates, and what is signed with them

function Get-StoredCertificates([string]$store) {
    try { $opened = Open-HostStore $store 'OpenExistingOnly' }   # a user who never had a certificate has no store, and a read makes none
    catch { if ((New-Failure $_).win32 -eq 2) { return }; throw }
    try {
        foreach ($c in $opened.Certificates) {
            @{ sha1 = $c.Thumbprint.ToUpperInvariant(); sha256 = (Get-Hex $sha.ComputeHash($c.RawData)).ToUpperInvariant(); subject = $c.Subject
                notBefore = $c.NotBefore.ToUniversalTime(); notAfter = $c.NotAfter.ToUniversalTime(); hasKey = $c.HasPrivateKey }
        }
    } finally { $opened.Dispose() }
}

# The number of the error that adding to a store would meet, 0 for none. One that is not there would be made.
function Test-Store([string]$store) {
    try { (Open-HostStore $store 'ReadWrite, OpenExistingOnly').Dispose(); return 0 }
    catch { $number = (New-Failure $_).win32 }
    if ($number -eq 0) { throw }
    if ($number -eq 2) { 0 } else { $number }
}

# The certificates of a PFX. Keys are kept only with a place for them.
function Open-Pfx([byte[]]$blob, [string]$place) {
    $n = [BitConverter]::ToInt32($blob, 0); $pfx = [byte[]]::new($blob.Length - 4 - $n); [Buffer]::BlockCopy($blob, 4 + $n, $pfx, 0, $pfx.Length)
    $flags = [Security.Cryptography.X509Certificates.X509KeyStorageFlags]$place
    $all = [Security.Cryptography.X509Certificates.X509Certificate2Collection]::new()
    try { $all.Import($pfx, [Text.Encoding]::UTF8.GetString($blob, 4, $n), $flags) } finally { [Array]::Clear($pfx, 0, $pfx.Length) }
    , $all
}

function Find-Certificate($all, [string]$sha1) { foreach ($c in $all) { if ($c.Thumbprint -eq $sha1) { return $c } } }

function Add-Certificate([string]$store, $c) {
    $opened = Open-HostStore $store 'ReadWrite'
    try { $opened.Add($c) } finally { $opened.Dispose() }
}

function Invoke-CertificateImport($a, [byte[]]$blob) {
    foreach ($c in @(Get-StoredCertificates $a.store)) { if ($c.sha1 -eq $a.sha1 -and $c.hasKey) { return New-Result 'unchanged' '' } }
    $found = Find-Certificate (Open-Pfx $blob 'DefaultKeySet') $a.sha1
    if ($null -eq $found -or -not $found.HasPrivateKey) { return New-Result 'conflict' 'the PFX does not have the certificate with its key' }
    $all = Open-Pfx $blob ((Get-HostKeyPlace $a.store) + ', PersistKeySet')
    Add-Certificate $a.store (Find-Certificate $all $a.sha1)
    foreach ($c in $all) {   # of an authority, and no root: a signature needs it
        if (-not $c.HasPrivateKey -and $c.Subject -ne $c.Issuer) { Add-Certificate ($a.store.Split('\')[0] + '\CA') $c }
    }
    foreach ($c in @(Get-StoredCertificates $a.store)) { if ($c.sha1 -eq $a.sha1 -and $c.hasKey) { return New-Result 'ok' '' } }
    New-Result 'failed' 'the certificate is not in the store, or its key is not'
}

function Invoke-CertificateRemove($a) {
    $r = New-Result 'unchanged' ''; $opened = Open-HostStore $a.store 'ReadWrite'
    try { foreach ($c in @($opened.Certificates)) { if ($c.Thumbprint -eq $a.sha1) { $opened.Remove($c); $r.code = 'ok' } } } finally { $opened.Dispose() }
    $r
}

function Invoke-Certificates($item, $blobs) {
    $a = $item.args
    if ($item.op -eq 'certificate.import') { return Invoke-CertificateImport $a $blobs[$item.blob] }
    if ($item.op -eq 'certificate.remove') { return Invoke-CertificateRemove $a }
    $r = New-Result 'ok' ''
    $r.certificates = @(Get-StoredCertificates $a.store)
    $r
}

# --- a build

# The value of a variable that is a thumbprint, as people paste them: no other leaves the host.
function Get-Thumbprint([string]$value) { if ([regex]::IsMatch($value, '^[\s:\u200e\u200f0-9A-Fa-f]{1,200}$')) { $value } else { '' } }

function Invoke-Variable($item) {
    $a = $item.args; $r = New-Result 'ok' ''; $table = Get-HostEnvironment ''; $now = ''
    if ($table.ContainsKey($a.variable)) { $now = [string]$table[$a.variable] }
    if ($item.op -eq 'variable.set') {
        if ($now -eq $a.value) { $r.code = 'unchanged' }
        elseif ($now -ne $a.was) { return New-Result 'conflict' 'the variable is not as expected' }
        else { Set-HostVariable $a.variable $a.value; $now = $a.value }
    }
    $r.variable = @{ exists = ($now -ne ''); value = (Get-Thumbprint $now) }
    $r
}

# A line as it is told: short, and without what a terminal would obey.
function Get-Line([string]$s) { $s = [regex]::Replace($s, '[\x00-\x1f\x7f-\x9f]+', ' '); if ($s.Length -gt 300) { $s = $s.Substring(0, 300) + '...' }; $s }

# Tells what a program has written, now and then, and not more than somebody can read.
function Receive-Lines($readers, $told) {
    foreach ($one in $readers) {
        while ($null -ne $one.task -and $one.task.IsCompleted) {
            $line = $one.task.Result
            if ($null -eq $line) { $one.task = $null; $told.open--; break }
            $told.count++; if ($told.lines.Count -lt 200) { $told.lines.Add((Get-Line $line)) }
            $one.task = $one.reader.ReadLineAsync()
        }
    }
    if ($told.count -eq $told.sent -or ([DateTime]::UtcNow - $told.at).TotalMilliseconds -lt 500) { return }
    if ($told.count - $told.sent -gt $told.lines.Count) { $told.lines.Add("... and $($told.count - $told.sent - $told.lines.Count) more lines") }
    Write-Json $frame.head @{ said = $told.lines.ToArray() } $null
    $told.sent = $told.count; $told.at = [DateTime]::UtcNow; $told.lines.Clear()
}

function Invoke-Script($a, [string]$path, [DateTime]$deadline) {
    $shell = Get-HostShell $path
    $start = [Diagnostics.ProcessStartInfo]::new($shell.program, $shell.arguments)
    $start.UseShellExecute = $false; $start.CreateNoWindow = $true; $start.WorkingDirectory = [IO.Path]::GetDirectoryName($path)
    $start.RedirectStandardInput = $true; $start.RedirectStandardOutput = $true; $start.RedirectStandardError = $true
    if ($a.variable -ne '') { $start.EnvironmentVariables[$a.variable] = $a.value }
    $p = [Diagnostics.Process]::Start($start); $job = $null
    $told = @{ lines = [Collections.Generic.List[string]]::new(); count = 0; sent = 0; open = 2; at = [DateTime]::MinValue }
    try {
        $job = New-HostJob $p
        $p.StandardInput.WriteLine(''); $p.StandardInput.Close()   # it waits for that, in the job
        $readers = @(foreach ($reader in $p.StandardOutput, $p.StandardError) { @{ reader = $reader; task = $reader.ReadLineAsync() } })
        while (-not $p.WaitForExit(50) -and [DateTime]::UtcNow -lt $deadline) { Receive-Lines $readers $told }
        $ended = $p.HasExited
        if ($ended) { $b = @{ exit = ([long]$p.ExitCode -band 4294967295); lines = 0 } }
    } finally { if ($null -ne $job) { Stop-HostJob $job } elseif (-not $p.HasExited) { try { $p.Kill() } catch { } } }
    $until = [DateTime]::UtcNow.AddSeconds(5)   # for what is on its way
    while ([DateTime]::UtcNow -lt $until -and $null -ne $readers -and $told.open -gt 0) { Receive-Lines $readers $told; [Threading.Thread]::Sleep(20) }
    $told.at = [DateTime]::MinValue; Receive-Lines $readers $told
    if (-not $ended) { return New-Result 'timeout' 'the build did not end in time, and was ended with all that it had started' }
    $r = New-Result 'ok' ''
    if ($b.exit -ne 0) { $r = New-Result 'failed' ('the build ended with exit code ' + $b.exit) }
    $b.lines = $told.count; $r.build = $b
    $r
}

# How long a build waits for one that an earlier session has left: Windows ends that with its session.
$patience = 240
function Invoke-Build($a) {
    $path = Resolve-HostPath $a.path
    if (-not [IO.Path]::IsPathRooted($path)) { $r = New-Result 'failed' 'the path is not absolute'; $r.win32 = 161; return $r }
    if (-not [IO.File]::Exists($path)) { throw [ComponentModel.Win32Exception]::new(2) }
    $deadline = Get-Deadline $a.timeoutSeconds; $wait = [Math]::Min($patience, $a.timeoutSeconds)
    $name = Get-Hex $sha.ComputeHash([Text.Encoding]::UTF8.GetBytes('build ' + $path.ToLowerInvariant()))
    $mutex = [Threading.Mutex]::new($false, 'Global\meshrotate-' + $name.Substring(0, 32))
    try {
        try { $mine = $mutex.WaitOne($wait * 1000) } catch [Threading.AbandonedMutexException] { $mine = $true }
        if (-not $mine) { return New-Result 'failed' 'another session is running the build' }
        try { Invoke-Script $a $path $deadline } finally { $mutex.ReleaseMutex() }
    } finally { $mutex.Dispose() }
}

# --- environment, machine, logs

$settings = '.json', '.jsonc', '.json5', '.config', '.ini', '.xml', '.yaml', '.yml', '.toml', '.env'   # how files of settings are called

# The names of variables, and the values of those alone that tell .NET which files to read, or that are the path of a file of settings.
function Get-Variables($table) {
    $v = @{ known = 'no'; names = @(); hosting = @{}; files = @{} }
    if ($null -eq $table) { return $v }
    $v.known = 'yes'; $v.names = [string[]]@($table.Keys)
    foreach ($name in $v.names) {
        if ([regex]::IsMatch($name, '(?i)^(DOTNET|ASPNETCORE)_(ENVIRONMENT|CONTENTROOT|APPLICATIONNAME)$')) { $v.hosting[$name] = $table[$name] }
        if ([regex]::IsMatch($table[$name], '^([A-Za-z]:[\\/]|\\\\)[^<>"|?*;=:\x00-\x1f]{1,240}$') -and $settings -contains [IO.Path]::GetExtension($table[$name])) { $v.files[$name] = $table[$name] }
    }
    [Array]::Sort($v.names, [StringComparer]::Ordinal)
    $v
}

function Get-SettingsNames([string]$folder) {
    if (-not [IO.Directory]::Exists($folder)) { return }
    $names = [string[]]@(foreach ($within in '', 'config\', 'conf\', 'settings\') {
        $d = [IO.DirectoryInfo]::new([IO.Path]::Combine($folder, $within.TrimEnd('\'))); if (-not $d.Exists) { continue }
        try { $all = $d.GetFiles() } catch [UnauthorizedAccessException] { if ($within -eq '') { throw }; continue }
        foreach ($f in $all) { if ($f.Length -le 1048576 -and $settings -contains $f.Extension) { $within + $f.Name } }
    })
    [Array]::Sort($names, [StringComparer]::Ordinal)
    $names
}

function Get-UserSecrets([string]$account) {
    $profile = Get-HostProfile $account; if ($profile -eq '') { return }
    $folder = [IO.Path]::Combine($profile, 'AppData\Roaming\Microsoft\UserSecrets')
    if (-not [IO.Directory]::Exists($folder)) { return }
    try { $programs = [IO.Directory]::GetDirectories($folder) } catch [UnauthorizedAccessException] { return }   # another user's own
    foreach ($d in $programs) { $f = [IO.Path]::Combine($d, 'secrets.json'); if ([IO.File]::Exists($f)) { $f } }
}

# The program that a command line begins with, where there is no such file; '' where it is there, or nobody can tell.
function Get-MissingProgram([string]$line) {
    $path = (Split-Program $line).path; $there = Resolve-HostPath $path
    if (-not [IO.Path]::IsPathRooted($there)) { return '' }
    foreach ($try in $there, ($there + '.exe')) {
        try { [void][IO.File]::GetAttributes($try); return '' } catch [IO.FileNotFoundException] { } catch [IO.DirectoryNotFoundException] { } catch { return '' }
    }
    Get-HostFullName $path
}

# The files of the program that a command line begins with, with what .NET reads beside it, as far as they are there: when each was
# written, or made, and when anything about it was changed last.
function Get-Programs([string]$line) {
    $path = (Split-Program $line).path
    $library = [regex]::Match($line, '(?i)^\s*("[^"]*\bdotnet(\.exe)?"|(.*\\)?dotnet(\.exe)?)\s.*?("(?<path>[^"]+\.dll)"|(?<path>\S+\.dll)(\s|$))')   # which dotnet.exe hosts
    if ($library.Success) { $path = $library.Groups['path'].Value }
    if (-not [IO.Path]::IsPathRooted((Resolve-HostPath $path))) { return }
    $name = [regex]::Replace($path, '(?i)\.(exe|dll)$', '')
    foreach ($end in '.exe', '.dll', '.runtimeconfig.json', '.deps.json') {
        $there = Resolve-HostPath ($name + $end)
        if (-not [IO.File]::Exists($there)) { continue }
        $p = @{ path = (Get-HostFullName ($name + $end)); written = [IO.File]::GetLastWriteTimeUtc($there); changed = $null }
        $made = [IO.File]::GetCreationTimeUtc($there); if ($made -gt $p.written) { $p.written = $made }
        try { $f = Open-Shared $there; if ($null -ne $f) { try { $p.changed = Get-HostFileChanged $f } finally { $f.Dispose() } } } catch { }   # held, or denied
        $p
    }
}

# A table's lines NAME=VALUE, sorted.
function Get-Lines($table) {
    $all = [string[]]@(foreach ($name in $table.Keys) { $name + '=' + $table[$name] })
    [Array]::Sort($all, [StringComparer]::Ordinal)
    $all
}

# A digest of what the service manager, and a wrapper, keep of a service; times and passwords are not in it.
function Get-Registration([string]$service) {
    $config = Get-HostServiceConfig $service; $w = Get-HostWrapped $service
    $parts = @($config.imagePath, $config.account) + @(Get-HostNeeds $service) + @('') + @(Get-Lines (Get-HostEnvironment $service))
    if ($null -ne $w) { $parts += @($w.line, $w.folder) + @(Get-Lines $w.variables) }
    (Get-Hex $sha.ComputeHash([Text.Encoding]::UTF8.GetBytes($parts -join "`n"))).Substring(0, 12)
}

function Invoke-Environment($a) {
    $config = @{ account = ''; imagePath = '' }; $boot = Get-HostBoot
    if ($a.service -ne '') { $config = Get-HostServiceConfig $a.service }
    $e = @{ path = ''; beside = @(); account = $config.account; secrets = @(); commandLine = $null; booted = $boot.booted; changed = $boot.changed
        machine = (Get-Variables (Get-HostEnvironment '')); user = (Get-Variables $null); service = (Get-Variables @{})
        wrapped = $false; folder = ''; described = ''; missing = ''; needs = @(); registered = $null; userChanged = $null; registration = ''; programs = @() }
    if ($a.path -ne '') { $e.path = Get-HostFullName $a.path; $e.beside = @(Get-SettingsNames ([IO.Path]::GetDirectoryName((Resolve-HostPath $a.path)))) }
    if ($config.imagePath -ne '') {
        $line = $config.imagePath; $own = Get-HostEnvironment $a.service
        $m = [regex]::Match($line, '(?i)^\s*"?(.+?)\.exe')
        if ($m.Success -and [IO.File]::Exists($m.Groups[1].Value + '.xml')) { $e.described = $m.Groups[1].Value + '.xml' }
        $w = Get-HostWrapped $a.service
        $e.missing = Get-MissingProgram $line; $e.programs = @(Get-Programs $line)
        if ($null -ne $w) {
            if ($e.missing -eq '') { $e.missing = Get-MissingProgram $w.line }
            $e.programs += @(Get-Programs $w.line)
            $line = $w.line; $e.folder = $w.folder; $e.wrapped = $true
            foreach ($name in @($w.variables.Keys)) { $own[$name] = $w.variables[$name] }
        }
        $e.commandLine = [Text.Encoding]::UTF8.GetBytes($line)
        $e.service = Get-Variables $own
        $e.user = Get-Variables (Get-HostUserEnvironment $config.account)
        $e.secrets = @(Get-UserSecrets $config.account)
        $start = Get-HostStart $a.service $config.account
        $e.registration = Get-Registration $a.service; $e.needs = $start.needs; $e.registered = $start.registered; $e.userChanged = $start.userChanged
    }
    if ($a.program -ne '') { $e.programs += @(Get-Programs $a.program) }
    $r = New-Result 'ok' ''
    $r.environment = $e
    $r
}

function Invoke-Identity {
    $m = Get-HostIdentity
    $m.osVersion = [Environment]::OSVersion.Version.ToString()
    $m.psVersion = $PSVersionTable.PSVersion.ToString(); $m.languageMode = [string]$ExecutionContext.SessionState.LanguageMode
    $m.utcNow = [DateTime]::UtcNow
    $r = New-Result 'ok' ''
    $r.machine = $m
    $r
}

function Invoke-SqlReach($arguments) {
    $seconds = $arguments.timeoutSeconds; if ($seconds -le 0) { $seconds = 5 }
    $r = New-Result 'ok' ''
    $r.reached = @{ client = Test-HostSqlClient; error = Test-HostPort $arguments.server $arguments.port $seconds }
    $r
}

function Invoke-SqlSignIn($item, $blobs) {
    $seconds = $item.args.timeoutSeconds; if ($seconds -le 0) { $seconds = 15 }
    try { $found = Invoke-HostSqlSignIn $blobs[$item.blob] $seconds }
    catch { return New-Result 'failed' 'the client of SQL Server here cannot use the string' }   # its message may quote it
    if ($null -eq $found) { return New-Result 'unsupported' 'there is no client of SQL Server here' }
    $r = New-Result 'ok' ''
    $r.sql = $found
    $r
}

# A log is known by the bytes at its head: names come back, and so do creation times when a file is made anew.
function Get-LogIdentity($f, [int]$n) {
    $b = [byte[]]::new($n); $at = 0
    [void]$f.Seek(0, [IO.SeekOrigin]::Begin)
    while ($at -lt $n) { $got = $f.Read($b, $at, $n - $at); if ($got -le 0) { return '' }; $at += $got }
    "$n-" + (Get-Hex $sha.ComputeHash($b))
}

function Invoke-Log($item) {
    $a = $item.args; $r = New-Result 'ok' ''
    $l = @{ exists = $false; identity = ''; offset = 0; rotated = $false; matched = $false; time = '' }
    $r.log = $l
    $match = $item.op -eq 'log.match'
    if ($match) {
        try { $pattern = [regex]::new($a.pattern, [Text.RegularExpressions.RegexOptions]::CultureInvariant, [TimeSpan]::FromSeconds(2)) }
        catch { return New-Result 'failed' 'the pattern is not a regular expression' }
        $l.rotated = $a.identity -ne ''
    }
    $f = Open-Shared (Resolve-HostPath $a.path)
    if ($null -eq $f) { return $r }
    try {
        $l.exists = $true; $l.offset = $f.Length
        $l.identity = Get-LogIdentity $f ([int][Math]::Min(1024, $f.Length))
        if (-not $match) { return $r }
        $from = 0
        if ($a.identity -ne '' -and $a.offset -le $f.Length -and (Get-LogIdentity $f ([int]$a.identity.Split('-')[0])) -eq $a.identity) {
            $l.rotated = $false; $from = $a.offset
        }
        [void]$f.Seek($from, [IO.SeekOrigin]::Begin)
        $lines = [IO.StreamReader]::new($f, [Text.Encoding]::UTF8)
        while ($null -ne ($line = $lines.ReadLine()) -and $f.Position - $from -le 16842752) {
            if (-not $pattern.IsMatch($line)) { continue }
            $l.matched = $true
            $l.time = [regex]::Match($line, '^\[?([0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?( ?(Z|[+-][0-9]{2}:?[0-9]{2}))?)').Groups[1].Value
        }
    } finally { $f.Dispose() }
    $r
}

# --- a program that fills a store of secrets. What it writes may hold a value: its length is told, and nothing else of it.

# An argument as CommandLineToArgvW reads it.
function Get-Quoted([string]$s) { '"' + [regex]::Replace([regex]::Replace($s, '(\\*)"', '$1$1\"'), '(\\+)$', '$1$1') + '"' }

function Invoke-Program([string]$path, [string[]]$words, [byte[]]$in, [int]$seconds) {
    if ($seconds -le 0) { $seconds = 60 }
    $quoted = foreach ($w in $words) { Get-Quoted $w }
    $start = [Diagnostics.ProcessStartInfo]::new($path, [string]::Join(' ', [string[]]@($quoted)))
    $start.UseShellExecute = $false; $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $true; $start.RedirectStandardOutput = $true; $start.RedirectStandardError = $true
    # .NET Framework writes the encoding's byte order mark into the child's standard input.
    try { [Console]::InputEncoding = [Text.UTF8Encoding]::new($false) } catch { }
    if ([Console]::InputEncoding.GetPreamble().Length -gt 0) { throw [ComponentModel.Win32Exception]::new(50) }
    $p = [Diagnostics.Process]::Start($start)
    try {
        $deadline = [DateTime]::UtcNow.AddSeconds($seconds)
        $out = $p.StandardOutput.ReadToEndAsync(); $err = $p.StandardError.ReadToEndAsync()
        $pipe = $p.StandardInput.BaseStream
        try {   # it may have ended already, or never read
            if ($null -ne $in -and $in.Length -gt 0) { [void]$pipe.WriteAsync($in, 0, $in.Length).Wait($seconds * 1000) }
            $pipe.Dispose()
        } catch { }
        $left = [int][Math]::Max(0, ($deadline - [DateTime]::UtcNow).TotalMilliseconds)
        if (-not $p.WaitForExit($left)) { try { $p.Kill() } catch { }; return @{ ended = $false; exit = 0; text = ''; length = 0 } }
        $text = ''
        if ($out.Wait(5000) -and $err.Wait(5000)) { $text = $out.Result + $err.Result }
        @{ ended = $true; exit = ([long]$p.ExitCode -band 4294967295); text = $text; length = $text.Length }
    } finally { $p.Dispose() }
}

function New-Secrets([bool]$exists) { @{ exists = $exists; stdin = ''; commandLines = ''; sysmon = ''; listed = ''; file = ''; left = 0; exit = 0; output = 0 } }

function Invoke-SecretsLook($a, $path) {
    $r = New-Result 'ok' ''
    $r.secrets = New-Secrets ([IO.File]::Exists($path))
    if (-not $r.secrets.exists) { return $r }
    $r.secrets.left = @(Get-ValueFiles $path).Length
    try { $audit = Get-HostAuditing; $r.secrets.commandLines = $audit.commandLines; $r.secrets.sysmon = $audit.sysmon } catch { }
    try { $run = Invoke-Program $path @('--help') $null $a.timeoutSeconds } catch { return $r }   # it cannot be started
    if (-not $run.ended) { return $r }
    $r.secrets.exit = $run.exit; $r.secrets.output = $run.length; $r.secrets.stdin = 'no'; $r.secrets.file = 'no'
    if ([regex]::IsMatch($run.text, '(?<![\w-])--stdin(?![\w-])')) { $r.secrets.stdin = 'yes' }
    if ([regex]::IsMatch($run.text, '(?<![\w-])--value-file(?![\w-])')) { $r.secrets.file = 'yes' }
    $r
}

# The name of a file with a value is new each time: a program that an earlier process left behind finds its file gone, and never
# another secret's value in it.
function Get-ValueFiles([string]$path) { [IO.Directory]::GetFiles([IO.Path]::GetDirectoryName($path), [IO.Path]::GetFileName($path) + '.meshrotate-value-*') }

# With some patience for who reads every new file.
function Remove-ValueFile([string]$file) {
    for ($try = 1; ; $try++) {
        try { [IO.File]::Delete($file); return }
        catch { if (@(32, 33) -notcontains (New-Failure $_).win32 -or $try -ge 10) { throw } }
        [Threading.Thread]::Sleep(150)
    }
}

function Invoke-WithFile([string]$path, [string]$ref, [byte[]]$value, [int]$seconds) {
    $file = $path + '.meshrotate-value-' + [Guid]::NewGuid().ToString('N')
    try {
        $f = New-HostFile $file ''
        try { $f.Write($value, 0, $value.Length) } finally { $f.Dispose() }
        Invoke-Program $path @('set', $ref, '--value-file', $file) $null $seconds
    } finally { Remove-ValueFile $file }
}

function Invoke-SecretsSet($a, $path, [byte[]]$value) {
    foreach ($left in @(Get-ValueFiles $path)) { Remove-ValueFile $left }
    if ($a.file) { $run = Invoke-WithFile $path $a.ref $value $a.timeoutSeconds }
    elseif ($a.argument) { $run = Invoke-Program $path @('set', $a.ref, [Text.Encoding]::UTF8.GetString($value)) $null $a.timeoutSeconds }
    else { $run = Invoke-Program $path @('set', $a.ref, '--stdin') $value $a.timeoutSeconds }
    if (-not $run.ended) { return New-Result 'timeout' 'the program did not end in time, and was ended' }
    $r = New-Result 'ok' ''
    if ($run.exit -ne 0) { $r = New-Result 'failed' ('the program ended with exit code ' + $run.exit) }
    $r.secrets = New-Secrets $true
    $r.secrets.exit = $run.exit; $r.secrets.output = $run.length
    $r
}

$lists = @{}   # what programs listed, during one request
function Invoke-SecretsList($a, $path) {
    if (-not $lists.ContainsKey($path)) { $lists[$path] = Invoke-Program $path @('list') $null $a.timeoutSeconds }
    $run = $lists[$path]
    if (-not $run.ended) { return New-Result 'timeout' 'the program did not end in time, and was ended' }
    $r = New-Result 'ok' ''
    if ($run.exit -ne 0) { $r = New-Result 'failed' ('the program ended with exit code ' + $run.exit) }
    $r.secrets = New-Secrets $true
    $r.secrets.exit = $run.exit; $r.secrets.output = $run.length; $r.secrets.listed = 'no'
    if ([regex]::IsMatch($run.text, '(?<!\S)' + [regex]::Escape($a.ref) + '(?!\S)')) { $r.secrets.listed = 'yes' }
    $r
}

function Invoke-Secrets($item, $blobs) {
    $a = $item.args
    $path = Resolve-HostPath $a.program
    if (-not [IO.Path]::IsPathRooted($path)) { $r = New-Result 'failed' 'the path is not absolute'; $r.win32 = 161; return $r }
    if ($item.op -eq 'secrets.look') { return Invoke-SecretsLook $a $path }
    if ($item.op -eq 'secrets.set') { return Invoke-SecretsSet $a $path $blobs[$item.blob] }
    Invoke-SecretsList $a $path
}

# --- frames

function Read-Frame {
    $head = [byte[]]::new(24)
    if (-not (Read-Into $head 0)) { return $null }
    $text = [BitConverter]::ToInt32($head, 16); $count = [BitConverter]::ToInt32($head, 20)
    if ($text -lt 0 -or $text -gt 2097152 -or $count -lt 0 -or $count -gt 4096) { exit 76 }
    $table = [byte[]]::new(4 * $count)
    if (-not (Read-Into $table 0)) { exit 76 }
    $begin = 24 + 4 * $count; [long]$total = $begin + $text + 32
    for ($i = 0; $i -lt $count; $i++) {
        $n = [BitConverter]::ToInt32($table, 4 * $i); $total += $n
        if ($n -lt 0 -or $total -gt 67108864) { exit 76 }
    }
    $all = [byte[]]::new([int]$total)
    [Buffer]::BlockCopy($head, 0, $all, 0, 24); [Buffer]::BlockCopy($table, 0, $all, 24, 4 * $count)
    if (-not (Read-Into $all $begin)) { exit 76 }
    if ([BitConverter]::ToString($sha.ComputeHash($all, 0, [int]$total - 32)) -ne [BitConverter]::ToString($all, [int]$total - 32)) { exit 76 }
    $blobs = [Collections.Generic.List[byte[]]]::new(); $at = $begin + $text
    for ($i = 0; $i -lt $count; $i++) {
        $n = [BitConverter]::ToInt32($table, 4 * $i); $b = [byte[]]::new($n)
        [Buffer]::BlockCopy($all, $at, $b, 0, $n); $blobs.Add($b); $at += $n
    }
    $request = ConvertFrom-Json -InputObject ([Text.Encoding]::UTF8.GetString($all, $begin, $text))
    [Array]::Clear($all, 0, $all.Length)
    @{ head = $head; request = $request; blobs = $blobs }
}

# ConvertTo-Json writes some arrays of 5.1 as objects, and its argument is logged. This writes ASCII.
function Add-Json($out, $v) {
    if ($null -eq $v) { [void]$out.Append('null') }
    elseif ($v -is [string]) {
        [void]$out.Append('"')
        if (-not [regex]::IsMatch($v, '[^ !#-\[\]-~]')) { [void]$out.Append($v) }
        else { foreach ($c in $v.ToCharArray()) { if ([regex]::IsMatch($c, '[ !#-\[\]-~]')) { [void]$out.Append($c) } else { [void]$out.AppendFormat('\u{0:x4}', [int]$c) } } }
        [void]$out.Append('"')
    }
    elseif ($v -is [bool]) { if ($v) { [void]$out.Append('true') } else { [void]$out.Append('false') } }
    elseif ($v -is [DateTime]) { [void]$out.Append('"' + $v.ToUniversalTime().ToString('o') + '"') }
    elseif ($v -is [Collections.IDictionary]) {
        $mark = '{'
        foreach ($k in $v.Keys) { [void]$out.Append($mark + '"' + $k + '":'); Add-Json $out $v[$k]; $mark = ',' }
        if ($mark -eq '{') { [void]$out.Append('{') }
        [void]$out.Append('}')
    }
    elseif ($v -is [Collections.IEnumerable]) {
        $mark = '['
        foreach ($x in $v) { [void]$out.Append($mark); Add-Json $out $x; $mark = ',' }
        if ($mark -eq '[') { [void]$out.Append('[') }
        [void]$out.Append(']')
    }
    else { [void]$out.Append(([IFormattable]$v).ToString($null, [Globalization.CultureInfo]::InvariantCulture)) }
}

function Write-Frame($head, $results) {
    $blobs = [Collections.Generic.List[byte[]]]::new()
    foreach ($r in $results) {
        if ($r.ContainsKey('file') -and $r.file.ContainsKey('content')) {
            if ($null -ne $r.file.content) { $r.blob = $blobs.Count; $blobs.Add($r.file.content) }
            $r.file.Remove('content')
        }
        if ($r.ContainsKey('environment')) {   # a command line may hold a value
            if ($null -ne $r.environment.commandLine) { $r.blob = $blobs.Count; $blobs.Add($r.environment.commandLine) }
            $r.environment.Remove('commandLine')
        }
    }
    Write-Json $head @{ results = $results } $blobs
}

function Write-Json($head, $value, $blobs) {
    $json = [Text.StringBuilder]::new(); if ($null -eq $blobs) { $blobs = @() }
    Add-Json $json $value
    $text = [Text.Encoding]::ASCII.GetBytes($json.ToString())
    $out = [IO.MemoryStream]::new()
    $out.Write($head, 0, 16)
    $out.Write([BitConverter]::GetBytes($text.Length), 0, 4); $out.Write([BitConverter]::GetBytes($blobs.Count), 0, 4)
    foreach ($b in $blobs) { $out.Write([BitConverter]::GetBytes($b.Length), 0, 4) }
    $out.Write($text, 0, $text.Length)
    foreach ($b in $blobs) { $out.Write($b, 0, $b.Length); [Array]::Clear($b, 0, $b.Length) }
    $digest = $sha.ComputeHash($out.GetBuffer(), 0, [int]$out.Length)
    $out.Write($digest, 0, 32)
    $hostOut.Write($out.GetBuffer(), 0, [int]$out.Length)
    $hostOut.Flush()
}

function Invoke-Op($item, $blobs) {
    if (@('file.read', 'file.stage', 'file.swap', 'file.restore', 'file.discard') -contains $item.op) { return Invoke-File $item $blobs }
    if (@('service.query', 'service.stop', 'service.start', 'service.logon', 'logon.read') -contains $item.op) { return Invoke-Service $item $blobs }
    if (@('log.mark', 'log.match') -contains $item.op) { return Invoke-Log $item }
    if ($item.op -eq 'logon.try') { Test-HostLogon $item.args.account $blobs[$item.blob]; return New-Result 'ok' '' }
    if (@('secrets.look', 'secrets.set', 'secrets.list') -contains $item.op) { return Invoke-Secrets $item $blobs }
    if ($item.op -eq 'preflight') { return Invoke-Preflight $item.args }
    if ($item.op -eq 'exposure') { return Invoke-Exposure $item.args }
    if (@('certificates.read', 'certificate.import', 'certificate.remove') -contains $item.op) { return Invoke-Certificates $item $blobs }
    if (@('variable.read', 'variable.set') -contains $item.op) { return Invoke-Variable $item }
    if ($item.op -eq 'build.run') { return Invoke-Build $item.args }
    if ($item.op -eq 'signatures.read') { return Invoke-Signatures $item.args }
    if ($item.op -eq 'environment.read') { return Invoke-Environment $item.args }
    if ($item.op -eq 'machine.identity') { return Invoke-Identity }
    if ($item.op -eq 'sql.reach') { return Invoke-SqlReach $item.args }
    if ($item.op -eq 'sql.signIn') { return Invoke-SqlSignIn $item $blobs }
    New-Result 'unsupported' 'unknown op'
}

while ($true) {
    $frame = Read-Frame
    if ($null -eq $frame) { exit 0 }
    $received = [DateTime]::UtcNow; $results = [Collections.ArrayList]::new(); $stop = $false; $lists.Clear()
    foreach ($item in @($frame.request.ops)) {
        if ($stop) { $r = New-Result 'skipped' '' }
        else { try { $r = Invoke-Op $item $frame.blobs } catch { $r = New-Failure $_ } }
        if ($r.ContainsKey('service') -and $r.service -is [hashtable] -and $r.service.ContainsKey('begin')) { $r.service.received = $received }
        if (-not $frame.request.all -and @('ok', 'unchanged') -notcontains $r.code) { $stop = $true }
        [void]$results.Add($r)
    }
    foreach ($b in $frame.blobs) { [Array]::Clear($b, 0, $b.Length) }
    Write-Frame $frame.head $results
}
