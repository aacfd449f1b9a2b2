package firsthour;

import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

import jakarta.servlet.http.HttpServletRequest;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.http.MediaType;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.client.oidc.authentication.OidcIdTokenDecoderFactory;
import org.springframework.security.oauth2.client.oidc.userinfo.OidcUserRequest;
import org.springframework.security.oauth2.client.oidc.userinfo.OidcUserService;
import org.springframework.security.oauth2.client.oidc.web.logout.OidcClientInitiatedLogoutSuccessHandler;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.oauth2.client.registration.ClientRegistrations;
import org.springframework.security.oauth2.client.registration.InMemoryClientRegistrationRepository;
import org.springframework.security.oauth2.client.web.DefaultOAuth2AuthorizationRequestResolver;
import org.springframework.security.oauth2.client.web.OAuth2AuthorizationRequestCustomizers;
import org.springframework.security.oauth2.client.web.OAuth2AuthorizationRequestResolver;
import org.springframework.security.oauth2.core.endpoint.OAuth2AuthorizationRequest;
import org.springframework.security.oauth2.core.oidc.user.DefaultOidcUser;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.JwtDecoderFactory;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.util.LinkedMultiValueMap;
import org.springframework.util.MultiValueMap;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClient;
import org.springframework.web.util.UriComponentsBuilder;

import tools.jackson.databind.json.JsonMapper;

/**
 * A department's first hour: people log in, agree once, and their licenses are here, verified. Run it with the
 * configuration that "yizheng client add" printed in the environment: ISSUER, CLIENT_ID, CLIENT_SECRET; SERVICE_ITEM,
 * ANCHOR (the registry's root certificate, PEM: compare its fingerprint), ACCOUNTS (the accounts that you have already,
 * JSON). The redirect URI to register is http://127.0.0.1:8080/login/oauth2/code/yizheng, with your host and port.
 *
 * <pre>mvn package && java -jar target/first-hour.jar --server.port=8080</pre>
 */
@SpringBootApplication
@RestController
public class App {
	public static void main(String[] args) {
		SpringApplication.run(App.class, args);
	}

	private static final String ISSUER = System.getenv("ISSUER");
	private final RestClient http = RestClient.create();
	private final X509Certificate anchor;
	private final List<Map<String, Object>> accounts; // {id, code_type, code}, and sub once linked

	@SuppressWarnings("unchecked")
	public App() throws Exception {
		anchor = License.certificate(Files.readAllBytes(Path.of(System.getenv("ANCHOR"))));
		accounts = JsonMapper.shared().readValue(Files.readAllBytes(Path.of(System.getenv("ACCOUNTS"))), List.class);
	}

	/** 1. Discovery, when the program starts. */
	@Bean
	ClientRegistrationRepository clients() {
		return new InMemoryClientRegistrationRepository(ClientRegistrations.fromIssuerLocation(ISSUER).registrationId("yizheng")
			.clientId(System.getenv("CLIENT_ID")).clientSecret(System.getenv("CLIENT_SECRET"))
			.scope("openid", "profile", "identity").build());
	}

	/** The algorithm that the client is registered for; Spring's default is RS256. */
	@Bean
	JwtDecoderFactory<ClientRegistration> idTokens() {
		var factory = new OidcIdTokenDecoderFactory();
		factory.setJwsAlgorithmResolver(c -> SignatureAlgorithm.from(System.getenv().getOrDefault("ID_TOKEN_ALG", "ES256")));
		return factory;
	}

	@Bean
	SecurityFilterChain security(HttpSecurity http, ClientRegistrationRepository clients) throws Exception {
		var logout = new OidcClientInitiatedLogoutSuccessHandler(clients); // 6. here, and then at the provider, which asks
		logout.setPostLogoutRedirectUri("{baseUrl}/");
		return http.authorizeHttpRequests(a -> a.requestMatchers("/").permitAll().anyRequest().authenticated())
			.oauth2Login(l -> l
				.authorizationEndpoint(e -> e.authorizationRequestResolver(new Pushed(clients)))
				.userInfoEndpoint(u -> u.oidcUserService(new Users()))
				.defaultSuccessUrl("/me", true))
			.logout(l -> l.logoutSuccessHandler(logout)).build();
	}

	/**
	 * 2. Ask. The request goes to the provider directly (PAR); the browser carries only its number. One request asks for
	 * the login and for what the item needs.
	 */
	private final class Pushed implements OAuth2AuthorizationRequestResolver {
		private final DefaultOAuth2AuthorizationRequestResolver standard;
		private final ClientRegistrationRepository clients;

		Pushed(ClientRegistrationRepository clients) {
			this.clients = clients;
			standard = new DefaultOAuth2AuthorizationRequestResolver(clients, "/oauth2/authorization");
			standard.setAuthorizationRequestCustomizer(OAuth2AuthorizationRequestCustomizers.withPkce());
		}

		@Override
		public OAuth2AuthorizationRequest resolve(HttpServletRequest request) {
			return push(standard.resolve(request));
		}

		@Override
		public OAuth2AuthorizationRequest resolve(HttpServletRequest request, String id) {
			return push(standard.resolve(request, id));
		}

		private OAuth2AuthorizationRequest push(OAuth2AuthorizationRequest r) {
			if (r == null) {
				return null;
			}
			MultiValueMap<String, String> form = new LinkedMultiValueMap<>();
			r.getAdditionalParameters().forEach((name, value) -> form.add(name, value.toString())); // nonce, code_challenge
			form.add("response_type", "code");
			form.add("redirect_uri", r.getRedirectUri());
			form.add("scope", String.join(" ", r.getScopes()));
			form.add("state", r.getState());
			form.add("acr_values", "urn:yizheng:assurance:2"); // licenses need two factors
			form.add("authorization_details", JsonMapper.shared().writeValueAsString(List.of(Map.of("type", "license",
				"service_item", System.getenv("SERVICE_ITEM"), "case", "case-" + UUID.randomUUID())))); // your own 办件编号
			ClientRegistration c = clients.findByRegistrationId("yizheng");
			var endpoint = c.getProviderDetails().getConfigurationMetadata().get("pushed_authorization_request_endpoint").toString();
			Map<?, ?> pushed = http.post().uri(endpoint).headers(h -> h.setBasicAuth(c.getClientId(), c.getClientSecret()))
				.contentType(MediaType.APPLICATION_FORM_URLENCODED).body(form).retrieve().body(Map.class);
			return OAuth2AuthorizationRequest.from(r).authorizationRequestUri(UriComponentsBuilder.fromUriString(r.getAuthorizationUri())
				.queryParam("client_id", "{client}").queryParam("request_uri", "{request}").encode()
				.buildAndExpand(c.getClientId(), pushed.get("request_uri")).toUriString()).build();
		}
	}

	/** Somebody who is logged in, with their account and their licenses here. */
	private static final class Citizen extends DefaultOidcUser {
		final Map<String, Object> account;
		final List<Map<String, Object>> licenses;

		Citizen(OidcUser user, Map<String, Object> account, List<Map<String, Object>> licenses) {
			super(user.getAuthorities(), user.getIdToken(), user.getUserInfo());
			this.account = account;
			this.licenses = licenses;
		}
	}

	/** 3. Take the answer: Spring checks state, PKCE, and the ID token with its nonce and signature, and asks for the userinfo. */
	private final class Users extends OidcUserService {
		@Override
		public OidcUser loadUser(OidcUserRequest request) {
			OidcUser user = super.loadUser(request);
			List<Map<String, Object>> licenses = new ArrayList<>();
			if (request.getAdditionalParameters().get("authorization_details") instanceof List<?> details) {
				for (Object detail : details) {
					for (Object material : (List<?>) ((Map<?, ?>) detail).get("materials")) {
						licenses.add(read(request, (Map<?, ?>) material));
					}
				}
			}
			return new Citizen(user, accountOf(user), licenses);
		}
	}

	/**
	 * 4. Whose account is it? Once linked, the subject alone says so. Before that, the code that the state knows them by,
	 * which the login proved.
	 */
	private synchronized Map<String, Object> accountOf(OidcUser user) {
		for (var a : accounts) {
			if (user.getSubject().equals(a.get("sub"))) {
				return Map.of("id", a.get("id"), "by", "sub");
			}
		}
		for (var a : accounts) {
			if (!a.containsKey("sub") && a.get("code_type").equals(user.getClaim("code_type")) && a.get("code").equals(user.getClaim("code"))) {
				a.put("sub", user.getSubject()); // to be kept in your database
				return Map.of("id", a.get("id"), "by", "code");
			}
		}
		return Map.of("by", "new"); // open an account here
	}

	/**
	 * 5. Read a license by its use code, which works once, for you, for some minutes. The same request_id again is the
	 * same reading: repeat it after a lost answer.
	 */
	private Map<String, Object> read(OidcUserRequest request, Map<?, ?> granted) {
		Map<String, Object> out = new LinkedHashMap<>();
		out.put("material", granted.get("material"));
		out.put("outcome", granted.get("outcome"));
		if (!granted.containsKey("use_code")) {
			out.put("reason", granted.get("reason"));
			return out;
		}
		String nonce = UUID.randomUUID().toString();
		Map<?, ?> released = http.post().uri(ISSUER + "/v1/use-codes/redeem")
			.headers(h -> h.setBearerAuth(request.getAccessToken().getTokenValue())).contentType(MediaType.APPLICATION_JSON)
			.body(Map.of("use_code", granted.get("use_code"), "request_id", UUID.randomUUID().toString(), "nonce", nonce))
			.retrieve().body(Map.class);
		String credential = released.get("credential").toString();
		var claims = License.verify(credential, anchor, request.getClientRegistration().getClientId(), nonce);
		out.put("verified", true);
		out.put("credential", credential); // with its nonce your evidence: keep them with the case
		out.put("nonce", nonce);
		for (String name : List.of("type_name", "authority", "valid_until", "number", "holders", "fields")) {
			out.put(name, claims.get(name));
		}
		return out;
	}

	@GetMapping(path = "/", produces = "text/html;charset=utf-8")
	String home() {
		return "<!doctype html><title>First hour</title><a href=\"/oauth2/authorization/yizheng\">Log in with Yizheng</a>";
	}

	@GetMapping("/me")
	Map<String, Object> me(@AuthenticationPrincipal Citizen citizen) {
		return Map.of("sub", citizen.getSubject(), "name", citizen.getFullName(), "account", citizen.account,
			"acr", citizen.getClaimAsString("acr"), "licenses", citizen.licenses);
	}
}
