package firsthour;

import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

import org.bouncycastle.asn1.gm.GMNamedCurves;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x500.style.BCStyle;
import org.bouncycastle.asn1.x9.X9ECParameters;
import org.bouncycastle.crypto.params.ECDomainParameters;
import org.bouncycastle.crypto.params.ECPublicKeyParameters;
import org.bouncycastle.crypto.signers.PlainDSAEncoding;
import org.bouncycastle.crypto.signers.SM2Signer;
import org.bouncycastle.jce.interfaces.ECPublicKey;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.math.ec.ECPoint;

import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/**
 * Verifies a license that the registry released: an SD-JWT (RFC 9901) signed with SM2, bound to you by a key binding
 * JWT. docs/credential-profile.md has each name. Copy this file as it is; it needs Bouncy Castle and Jackson.
 * By hand, with the arguments CREDENTIAL-FILE ANCHOR-FILE CLIENT-ID NONCE:
 *
 * <pre>java -cp target/first-hour.jar -Dloader.main=firsthour.License org.springframework.boot.loader.launch.PropertiesLauncher …</pre>
 */
public final class License {
	private static final String SM2_WITH_SM3 = "urn:oid:1.2.156.10197.1.501"; // the JWS algorithm
	private static final String SM2_CURVE = "urn:oid:1.2.156.10197.1.301";
	private static final X9ECParameters CURVE = GMNamedCurves.getByName("sm2p256v1");
	private static final BouncyCastleProvider BC = new BouncyCastleProvider();
	private static final ObjectMapper JSON = JsonMapper.shared();
	private static final int MAX_LENGTH = 128 * 1024;
	private static final long SKEW = 60; // seconds that clocks may differ

	public static void main(String[] args) throws Exception {
		X509Certificate anchor = certificate(Files.readAllBytes(Path.of(args[1])));
		System.out.println(JSON.writeValueAsString(verify(Files.readString(Path.of(args[0])).strip(), anchor, args[2], args[3])));
	}

	/** Why a credential is not to be trusted. */
	static final class Untrusted extends RuntimeException {
		Untrusted(String problem) {
			super("the license is not to be trusted: " + problem);
		}
	}

	/**
	 * Returns the claims of a credential, with the parts in it that were agreed to. It throws unless the credential was
	 * signed by the authority that it names, with a key certified by the anchor, is within its dates, and was bound for
	 * this audience (your client id) and this nonce (yours, of this reading), just now. Whether it is in force was
	 * checked when it was released.
	 */
	static Map<String, Object> verify(String credential, X509Certificate anchor, String audience, String nonce) {
		ensure(credential.length() <= MAX_LENGTH, "too long");
		long now = Instant.now().getEpochSecond();
		String[] parts = credential.split("~", -1);
		ensure(parts.length >= 2, "malformed");
		Token issued = new Token(parts[0], "dc+sd-jwt");
		issued.check(pointOf(certified(issued, anchor).getPublicKey()));

		Map<String, Object> claims = resolve(issued.payload, Arrays.asList(parts).subList(1, parts.length - 1));
		ensure(number(claims, "iat") <= now + SKEW && number(claims, "nbf") <= now + SKEW, "not yet valid");
		ensure(!claims.containsKey("exp") || now < number(claims, "exp"), "expired");
		ensure(namesType(claims), "not a license");

		Token bound = new Token(parts[parts.length - 1], "kb+jwt");
		Map<String, Object> key = object(object(claims.get("cnf")).get("jwk"));
		ensure("EC".equals(key.get("kty")) && SM2_CURVE.equals(key.get("crv")), "an unknown presentation key");
		bound.check(CURVE.getCurve().createPoint(new BigInteger(1, decode(key.get("x"))), new BigInteger(1, decode(key.get("y")))));
		ensure(audience.equals(bound.payload.get("aud")), "released to somebody else");
		ensure(nonce.equals(bound.payload.get("nonce")), "not the answer to this reading");
		ensure(Math.abs(now - number(bound.payload, "iat")) <= 300, "not bound just now");
		ensure(sm3(credential.substring(0, credential.lastIndexOf('~') + 1)).equals(bound.payload.get("sd_hash")), "bound to other parts");
		return claims;
	}

	/** Whether vct is the address of the type's metadata, or the URN that credentials had before. */
	private static boolean namesType(Map<String, Object> claims) {
		String vct = String.valueOf(claims.get("vct")), code = String.valueOf(claims.get("type_code"));
		return vct.equals("urn:yizheng:license:" + code)
			|| vct.startsWith("http") && vct.endsWith("/v1/trust/types/" + code + "/" + number(claims, "type_version"));
	}

	/** Returns the signer's certificate, if the anchor certified it as that of the authority which the license names. */
	private static X509Certificate certified(Token issued, X509Certificate anchor) {
		try {
			String leaf = String.valueOf(((List<?>) issued.header.get("x5c")).get(0));
			X509Certificate c = certificate(Base64.getDecoder().decode(leaf));
			c.verify(anchor.getPublicKey(), BC);
			c.checkValidity(Date.from(Instant.ofEpochSecond(number(issued.payload, "iat"))));
			String purpose = "collected".equals(issued.payload.get("origin")) ? "attestation" : "authority";
			ensure(c.getSubjectAlternativeNames().stream().anyMatch(n -> n.get(1).equals("urn:yizheng:key:" + purpose)), "the key is for something else");
			String owner = X500Name.getInstance(c.getSubjectX500Principal().getEncoded()).getRDNs(BCStyle.ORGANIZATION_IDENTIFIER)[0].getFirst().getValue().toString();
			ensure(purpose.equals("attestation") || owner.equals(object(issued.payload.get("authority")).get("code")), "signed by another authority");
			return c;
		} catch (GeneralSecurityException | RuntimeException e) {
			throw e instanceof Untrusted u ? u : new Untrusted("its certificate: " + e.getMessage());
		}
	}

	/** Reads a certificate, DER or PEM. */
	static X509Certificate certificate(byte[] encoded) throws GeneralSecurityException {
		return (X509Certificate) CertificateFactory.getInstance("X.509", BC).generateCertificate(new ByteArrayInputStream(encoded));
	}

	/** A signed part: header and payload are not to be trusted before check. */
	private static final class Token {
		final Map<String, Object> header, payload;
		private final String signed;
		private final byte[] signature;

		Token(String jwt, String typ) {
			String[] parts = jwt.split("\\.", -1);
			ensure(parts.length == 3, "malformed");
			header = json(parts[0]);
			payload = json(parts[1]);
			signed = parts[0] + "." + parts[1];
			signature = decode(parts[2]);
			ensure(typ.equals(header.get("typ")) && SM2_WITH_SM3.equals(header.get("alg")) && !header.containsKey("crit"), "not a " + typ + " of SM2");
		}

		void check(ECPoint key) {
			ensure(signature.length == 64 && key.isValid(), "malformed");
			SM2Signer signer = new SM2Signer(PlainDSAEncoding.INSTANCE); // r‖s, and the default user id
			signer.init(false, new ECPublicKeyParameters(key, new ECDomainParameters(CURVE)));
			byte[] message = signed.getBytes(StandardCharsets.US_ASCII);
			signer.update(message, 0, message.length);
			ensure(signer.verifySignature(signature), "a signature is wrong");
		}
	}

	/** Puts each disclosed part in its place, and fails if one has none. */
	private static Map<String, Object> resolve(Map<String, Object> payload, List<String> disclosures) {
		ensure("sm3".equals(payload.get("_sd_alg")), "an unknown digest");
		Map<String, Object> parts = new HashMap<>();
		for (String d : disclosures) {
			ensure(parts.put(sm3(d), JSON.readValue(decode(d), List.class)) == null, "a part stands twice");
		}
		Map<String, Object> claims = object(walk(payload, parts));
		ensure(parts.isEmpty(), "a part that was not signed");
		return claims;
	}

	private static Object walk(Object value, Map<String, Object> parts) {
		if (value instanceof List<?> list) {
			List<Object> out = new ArrayList<>();
			for (Object v : list) {
				if (!(v instanceof Map<?, ?> m && m.get("...") instanceof String digest)) {
					out.add(walk(v, parts));
				} else if (parts.remove(digest) instanceof List<?> part) {
					out.add(walk(part.get(1), parts));
				} // else it was withheld
			}
			return out;
		}
		if (!(value instanceof Map)) {
			return value;
		}
		Map<String, Object> out = new LinkedHashMap<>();
		object(value).forEach((name, v) -> {
			if (!name.equals("_sd")) {
				out.put(name, walk(v, parts));
			}
		});
		for (Object digest : object(value).get("_sd") instanceof List<?> digests ? digests : List.of()) {
			if (parts.remove(String.valueOf(digest)) instanceof List<?> part) {
				String name = String.valueOf(part.get(1));
				ensure(!out.containsKey(name) && !name.equals("_sd") && !name.equals("..."), "a part in another's place");
				out.put(name, walk(part.get(2), parts));
			}
		}
		return out;
	}

	private static ECPoint pointOf(PublicKey key) {
		return ((ECPublicKey) key).getQ();
	}

	private static String sm3(String text) {
		try {
			byte[] sum = MessageDigest.getInstance("SM3", BC).digest(text.getBytes(StandardCharsets.US_ASCII));
			return Base64.getUrlEncoder().withoutPadding().encodeToString(sum);
		} catch (GeneralSecurityException e) {
			throw new IllegalStateException(e);
		}
	}

	private static byte[] decode(Object base64url) {
		return Base64.getUrlDecoder().decode(String.valueOf(base64url));
	}

	private static Map<String, Object> json(String base64url) {
		return object(JSON.readValue(decode(base64url), Map.class));
	}

	@SuppressWarnings("unchecked")
	private static Map<String, Object> object(Object value) {
		ensure(value instanceof Map, "malformed");
		return (Map<String, Object>) value;
	}

	private static long number(Map<String, Object> claims, String name) {
		ensure(claims.get(name) instanceof Number, "malformed");
		return ((Number) claims.get(name)).longValue();
	}

	private static void ensure(boolean holds, String problem) {
		if (!holds) {
			throw new Untrusted(problem);
		}
	}

	private License() {}
}
