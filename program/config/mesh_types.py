"""The types of what istiod reads as its mesh's configuration: facts, checked by a test against their source.

Source: MeshConfig and MeshNetworks in mesh/v1alpha1/*.proto of the Go module istio.io/api, v1.31. A message of a later
release may know more fields; earlier releases know fewer, of the same types.

A field is ``name=type``, by its name in JSON. Types: text, int, number, bool, duration, any (not described here), the
values of an enumeration joined by ``|``, a message's name; ``[]`` in front means a list of it, ``{}`` an object whose
keys are the user's.
"""

MESSAGES: dict[str, str] = {
    "Certificate": "secretName=text dnsNames=[]text",
    "ConfigSource": "address=text tlsSettings=any subscribedResources=[]SERVICE_REGISTRY",
    "LabelSelector": "matchLabels={}text matchExpressions=[]LabelSelectorRequirement",
    "LabelSelectorRequirement": "key=text operator=text values=[]text",
    "MeshConfig": (
        "proxyListenPort=int proxyInboundListenPort=int proxyHttpPort=int connectTimeout=duration "
        "hboneIdleTimeout=duration protocolDetectionTimeout=duration tcpKeepalive=any ingressClass=text "
        "ingressService=text ingressControllerMode=UNSPECIFIED|OFF|DEFAULT|STRICT ingressSelector=text "
        "enableTracing=bool accessLogFile=text accessLogFormat=text accessLogEncoding=TEXT|JSON "
        "enableEnvoyAccessLogService=bool disableEnvoyListenerLog=bool defaultConfig=ProxyConfig "
        "outboundTrafficPolicy=MeshConfig.OutboundTrafficPolicy inboundTrafficPolicy=MeshConfig.InboundTrafficPolicy "
        "configSources=[]ConfigSource enableAutoMtls=bool trustDomain=text trustDomainAliases=[]text "
        "caCertificates=[]MeshConfig.CertificateData defaultServiceExportTo=[]text "
        "defaultVirtualServiceExportTo=[]text defaultDestinationRuleExportTo=[]text rootNamespace=text "
        "localityLbSetting=any zoneAwareLbSetting=any dnsRefreshRate=duration h2UpgradePolicy=DO_NOT_UPGRADE|UPGRADE "
        "inboundClusterStatName=text outboundClusterStatName=text certificates=[]Certificate "
        "serviceSettings=[]MeshConfig.ServiceSettings serviceScopeConfigs=[]MeshConfig.ServiceScopeConfigs "
        "enablePrometheusMerge=bool verifyCertificateAtClient=bool ca=MeshConfig.CA "
        "extensionProviders=[]MeshConfig.ExtensionProvider defaultProviders=MeshConfig.DefaultProviders "
        "discoverySelectors=[]LabelSelector pathNormalization=MeshConfig.ProxyPathNormalization "
        "defaultHttpRetryPolicy=any meshMTLS=MeshConfig.TLSConfig tlsDefaults=MeshConfig.TLSConfig "
        "defaultTrafficPolicy=MeshConfig.DefaultTrafficPolicy serviceEntryVisibility=ServiceEntryVisibility"
    ),
    "MeshConfig.CA": "address=text tlsSettings=any requestTimeout=duration istiodSide=bool",
    "MeshConfig.CertificateData": "pem=text spiffeBundleUrl=text certSigners=[]text trustDomains=[]text",
    "MeshConfig.DefaultProviders": "tracing=[]text metrics=[]text accessLogging=[]text",
    "MeshConfig.DefaultTrafficPolicy": "connectionPool=any outlierDetection=any",
    "MeshConfig.ExtensionProvider": (
        "name=text envoyExtAuthzHttp=MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationHttpProvider "
        "envoyExtAuthzGrpc=MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationGrpcProvider "
        "zipkin=MeshConfig.ExtensionProvider.ZipkinTracingProvider "
        "lightstep=MeshConfig.ExtensionProvider.LightstepTracingProvider "
        "datadog=MeshConfig.ExtensionProvider.DatadogTracingProvider "
        "stackdriver=MeshConfig.ExtensionProvider.StackdriverProvider "
        "opencensus=MeshConfig.ExtensionProvider.OpenCensusAgentTracingProvider "
        "skywalking=MeshConfig.ExtensionProvider.SkyWalkingTracingProvider "
        "opentelemetry=MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider "
        "prometheus=MeshConfig.ExtensionProvider.PrometheusMetricsProvider "
        "envoyFileAccessLog=MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider "
        "envoyHttpAls=MeshConfig.ExtensionProvider.EnvoyHttpGrpcV3LogProvider "
        "envoyTcpAls=MeshConfig.ExtensionProvider.EnvoyTcpGrpcV3LogProvider "
        "envoyOtelAls=MeshConfig.ExtensionProvider.EnvoyOpenTelemetryLogProvider "
        "sds=MeshConfig.ExtensionProvider.SDSProvider"
    ),
    "MeshConfig.ExtensionProvider.DatadogTracingProvider": "service=text port=int maxTagLength=int",
    "MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationGrpcProvider": (
        "service=text port=int timeout=duration failOpen=bool clearRouteCache=bool statusOnError=text "
        "includeRequestBodyInCheck=MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationRequestBody"
    ),
    "MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationHttpProvider": (
        "service=text port=int timeout=duration pathPrefix=text failOpen=bool clearRouteCache=bool "
        "statusOnError=text includeHeadersInCheck=[]text includeRequestHeadersInCheck=[]text "
        "includeAdditionalHeadersInCheck={}text "
        "includeRequestBodyInCheck=MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationRequestBody "
        "headersToUpstreamOnAllow=[]text headersToDownstreamOnDeny=[]text headersToDownstreamOnAllow=[]text"
    ),
    "MeshConfig.ExtensionProvider.EnvoyExternalAuthorizationRequestBody": (
        "maxRequestBytes=int allowPartialMessage=bool packAsBytes=bool"
    ),
    "MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider": (
        "path=text logFormat=MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider.LogFormat omitEmptyValues=bool"
    ),
    "MeshConfig.ExtensionProvider.EnvoyFileAccessLogProvider.LogFormat": "text=text labels=any",
    "MeshConfig.ExtensionProvider.EnvoyHttpGrpcV3LogProvider": (
        "service=text port=int logName=text filterStateObjectsToLog=[]text additionalRequestHeadersToLog=[]text "
        "additionalResponseHeadersToLog=[]text additionalResponseTrailersToLog=[]text"
    ),
    "MeshConfig.ExtensionProvider.EnvoyOpenTelemetryLogProvider": (
        "service=text port=int logName=text "
        "logFormat=MeshConfig.ExtensionProvider.EnvoyOpenTelemetryLogProvider.LogFormat"
    ),
    "MeshConfig.ExtensionProvider.EnvoyOpenTelemetryLogProvider.LogFormat": "text=text labels=any",
    "MeshConfig.ExtensionProvider.EnvoyTcpGrpcV3LogProvider": (
        "service=text port=int logName=text filterStateObjectsToLog=[]text"
    ),
    "MeshConfig.ExtensionProvider.GrpcService": (
        "timeout=duration initialMetadata=[]MeshConfig.ExtensionProvider.HttpHeader"
    ),
    "MeshConfig.ExtensionProvider.HttpHeader": "name=text value=text envName=text",
    "MeshConfig.ExtensionProvider.HttpService": (
        "path=text timeout=duration headers=[]MeshConfig.ExtensionProvider.HttpHeader"
    ),
    "MeshConfig.ExtensionProvider.LightstepTracingProvider": "service=text port=int accessToken=text maxTagLength=int",
    "MeshConfig.ExtensionProvider.OpenCensusAgentTracingProvider": (
        "service=text port=int context=[]UNSPECIFIED|W3C_TRACE_CONTEXT|GRPC_BIN|CLOUD_TRACE_CONTEXT|B3 maxTagLength=int"
    ),
    "MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider": (
        "service=text port=int maxTagLength=int http=MeshConfig.ExtensionProvider.HttpService "
        "grpc=MeshConfig.ExtensionProvider.GrpcService "
        "resourceDetectors=MeshConfig.ExtensionProvider.ResourceDetectors serviceAttributeEnrichment=ISTIO_CANONICAL|"
        "OTEL_SEMANTIC_CONVENTIONS "
        "dynatraceSampler=MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider.DynatraceSampler"
    ),
    "MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider.DynatraceSampler": (
        "tenant=text clusterId=int rootSpansPerMinute=int "
        "httpService=MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider.DynatraceSampler.DynatraceApi"
    ),
    "MeshConfig.ExtensionProvider.OpenTelemetryTracingProvider.DynatraceSampler.DynatraceApi": (
        "service=text port=int http=MeshConfig.ExtensionProvider.HttpService"
    ),
    "MeshConfig.ExtensionProvider.PrometheusMetricsProvider": "",
    "MeshConfig.ExtensionProvider.ResourceDetectors": (
        "environment=MeshConfig.ExtensionProvider.ResourceDetectors.EnvironmentResourceDetector "
        "dynatrace=MeshConfig.ExtensionProvider.ResourceDetectors.DynatraceResourceDetector"
    ),
    "MeshConfig.ExtensionProvider.ResourceDetectors.DynatraceResourceDetector": "",
    "MeshConfig.ExtensionProvider.ResourceDetectors.EnvironmentResourceDetector": "",
    "MeshConfig.ExtensionProvider.SDSProvider": "name=text service=text port=int",
    "MeshConfig.ExtensionProvider.SkyWalkingTracingProvider": "service=text port=int accessToken=text",
    "MeshConfig.ExtensionProvider.StackdriverProvider": (
        "debug=bool maxNumberOfAttributes=int maxNumberOfAnnotations=int maxNumberOfMessageEvents=int "
        "maxTagLength=int logging=MeshConfig.ExtensionProvider.StackdriverProvider.Logging"
    ),
    "MeshConfig.ExtensionProvider.StackdriverProvider.Logging": "labels={}text",
    "MeshConfig.ExtensionProvider.ZipkinTracingProvider": (
        "service=text port=int maxTagLength=int enable64bitTraceId=bool path=text traceContextOption=USE_B3|"
        "USE_B3_WITH_W3C_PROPAGATION timeout=duration headers=[]MeshConfig.ExtensionProvider.HttpHeader"
    ),
    "MeshConfig.InboundTrafficPolicy": "mode=PASSTHROUGH|LOCALHOST",
    "MeshConfig.OutboundTrafficPolicy": "mode=REGISTRY_ONLY|ALLOW_ANY|ALLOW_ANY_DYNAMIC_DNS tls=any",
    "MeshConfig.ProxyPathNormalization": "normalization=DEFAULT|NONE|BASE|MERGE_SLASHES|DECODE_AND_MERGE_SLASHES",
    "MeshConfig.ServiceScopeConfigs": (
        "namespaceSelector=LabelSelector servicesSelector=LabelSelector scope=LOCAL|GLOBAL"
    ),
    "MeshConfig.ServiceSettings": "settings=MeshConfig.ServiceSettings.Settings hosts=[]text",
    "MeshConfig.ServiceSettings.Settings": "clusterLocal=bool",
    "MeshConfig.TLSConfig": "minProtocolVersion=TLS_AUTO|TLSV1_2|TLSV1_3 ecdhCurves=[]text cipherSuites=[]text",
    "Network": "endpoints=[]Network.NetworkEndpoints gateways=[]Network.IstioNetworkGateway",
    "Network.IstioNetworkGateway": "registryServiceName=text address=text port=int locality=text",
    "Network.NetworkEndpoints": "fromCidr=text fromRegistry=text",
    "PrivateKeyProvider": "cryptomb=PrivateKeyProvider.CryptoMb qat=PrivateKeyProvider.QAT",
    "PrivateKeyProvider.CryptoMb": "pollDelay=duration fallback=bool",
    "PrivateKeyProvider.QAT": "pollDelay=duration fallback=bool",
    "ProxyConfig": (
        "configPath=text binaryPath=text serviceCluster=text tracingServiceName=APP_LABEL_AND_NAMESPACE|"
        "CANONICAL_NAME_ONLY|CANONICAL_NAME_AND_NAMESPACE drainDuration=duration discoveryAddress=text "
        "discoveryRefreshDelay=duration zipkinAddress=text statsdUdpAddress=text envoyMetricsServiceAddress=text "
        "proxyAdminPort=int availabilityZone=text controlPlaneAuthPolicy=NONE|MUTUAL_TLS|INHERIT "
        "customConfigFile=text statNameLength=int concurrency=int proxyBootstrapTemplatePath=text "
        "interceptionMode=REDIRECT|TPROXY|NONE tracing=Tracing sds=SDS envoyAccessLogService=RemoteService "
        "envoyMetricsService=RemoteService proxyMetadata={}text runtimeValues={}text statusPort=int "
        "extraStatTags=[]text gatewayTopology=Topology terminationDrainDuration=duration meshId=text "
        "readinessProbe=any proxyStatsMatcher=ProxyConfig.ProxyStatsMatcher holdApplicationUntilProxyStarts=bool "
        "caCertificatesPem=[]text image=any privateKeyProvider=PrivateKeyProvider "
        "proxyHeaders=ProxyConfig.ProxyHeaders fileFlushInterval=duration fileFlushMinSizeKb=int "
        "statsCompression=bool connectionSettings=ProxyConfig.ConnectionSettings"
    ),
    "ProxyConfig.ConnectionSettings": (
        "profile=SIDECAR|EDGE listenerPerConnectionBufferLimitBytes=int clusterPerConnectionBufferLimitBytes=int "
        "httpIdleTimeout=duration httpMaxConnectionDuration=duration httpDrainTimeout=duration "
        "httpRequestTimeout=duration httpRequestHeadersTimeout=duration httpStreamIdleTimeout=duration "
        "httpMaxStreamDuration=duration httpMaxConcurrentStreams=int http2InitialStreamWindowSize=int "
        "http2InitialConnectionWindowSize=int httpHeadersWithUnderscoresAction=HEADERS_WITH_UNDERSCORES_UNSPECIFIED|"
        "HEADERS_WITH_UNDERSCORES_ALLOW|HEADERS_WITH_UNDERSCORES_REJECT_REQUEST|HEADERS_WITH_UNDERSCORES_DROP_HEADER "
        "httpMergeSlashes=bool httpPathWithEscapedSlashesAction=PATH_WITH_ESCAPED_SLASHES_UNSPECIFIED|KEEP_UNCHANGED|"
        "REJECT_REQUEST|UNESCAPE_AND_REDIRECT|UNESCAPE_AND_FORWARD listenerConnectionLimit=int "
        "globalDownstreamConnectionLimit=int"
    ),
    "ProxyConfig.ProxyHeaders": (
        "forwardedClientCert=UNDEFINED|SANITIZE|FORWARD_ONLY|APPEND_FORWARD|SANITIZE_SET|ALWAYS_FORWARD_ONLY "
        "setCurrentClientCertDetails=ProxyConfig.ProxyHeaders.SetCurrentClientCertDetails "
        "requestId=ProxyConfig.ProxyHeaders.RequestId server=ProxyConfig.ProxyHeaders.Server "
        "attemptCount=ProxyConfig.ProxyHeaders.AttemptCount "
        "envoyDebugHeaders=ProxyConfig.ProxyHeaders.EnvoyDebugHeaders "
        "metadataExchangeHeaders=ProxyConfig.ProxyHeaders.MetadataExchangeHeaders preserveHttp1HeaderCase=bool "
        "xForwardedHost=ProxyConfig.ProxyHeaders.XForwardedHost "
        "xForwardedPort=ProxyConfig.ProxyHeaders.XForwardedPort"
    ),
    "ProxyConfig.ProxyHeaders.AttemptCount": "disabled=bool",
    "ProxyConfig.ProxyHeaders.EnvoyDebugHeaders": "disabled=bool",
    "ProxyConfig.ProxyHeaders.MetadataExchangeHeaders": "mode=UNDEFINED|IN_MESH",
    "ProxyConfig.ProxyHeaders.RequestId": "disabled=bool",
    "ProxyConfig.ProxyHeaders.Server": "disabled=bool value=text",
    "ProxyConfig.ProxyHeaders.SetCurrentClientCertDetails": "subject=bool cert=bool chain=bool dns=bool uri=bool",
    "ProxyConfig.ProxyHeaders.XForwardedHost": "enabled=bool",
    "ProxyConfig.ProxyHeaders.XForwardedPort": "enabled=bool",
    "ProxyConfig.ProxyStatsMatcher": "inclusionPrefixes=[]text inclusionSuffixes=[]text inclusionRegexps=[]text",
    "RemoteService": "address=text tlsSettings=any tcpKeepalive=any",
    "SDS": "enabled=bool k8sSaJwtPath=text",
    "ServiceEntryVisibility": (
        "defaultVisibility=VISIBILITY_UNSPECIFIED|NONE|NAMESPACE|PUBLIC applyToSidecars=bool "
        "policies=[]ServiceEntryVisibility.Policy"
    ),
    "ServiceEntryVisibility.MatchRule": "namespaceSelector=LabelSelector",
    "ServiceEntryVisibility.Policy": (
        "visibility=VISIBILITY_UNSPECIFIED|NONE|NAMESPACE|PUBLIC matchingRules=[]ServiceEntryVisibility.MatchRule"
    ),
    "Topology": (
        "numTrustedProxies=int forwardClientCertDetails=UNDEFINED|SANITIZE|FORWARD_ONLY|APPEND_FORWARD|SANITIZE_SET|"
        "ALWAYS_FORWARD_ONLY proxyProtocol=Topology.ProxyProtocolConfiguration"
    ),
    "Topology.ProxyProtocolConfiguration": "",
    "Tracing": (
        "zipkin=Tracing.Zipkin lightstep=Tracing.Lightstep datadog=Tracing.Datadog stackdriver=Tracing.Stackdriver "
        "openCensusAgent=Tracing.OpenCensusAgent customTags={}Tracing.CustomTag maxPathTagLength=int sampling=number "
        "tlsSettings=any enableIstioTags=bool"
    ),
    "Tracing.CustomTag": "literal=Tracing.Literal environment=Tracing.Environment header=Tracing.RequestHeader",
    "Tracing.Datadog": "address=text",
    "Tracing.Environment": "name=text defaultValue=text",
    "Tracing.Lightstep": "address=text accessToken=text",
    "Tracing.Literal": "value=text",
    "Tracing.OpenCensusAgent": "address=text context=[]UNSPECIFIED|W3C_TRACE_CONTEXT|GRPC_BIN|CLOUD_TRACE_CONTEXT|B3",
    "Tracing.RequestHeader": "name=text defaultValue=text",
    "Tracing.Stackdriver": (
        "debug=bool maxNumberOfAttributes=int maxNumberOfAnnotations=int maxNumberOfMessageEvents=int"
    ),
    "Tracing.Zipkin": "address=text",
}
