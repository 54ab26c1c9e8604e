// Starts Swagger UI on the API page. People who are signed in may try requests out as themselves;
// with a key (Authorize) they try what the key may.

const place = document.getElementById("api-docs");

window.SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schema,
  deepLinking: true,
  docExpansion: "list",
  presets: [window.SwaggerUIBundle.presets.apis],
  requestInterceptor(request) {
    if (new URL(request.url, location.href).origin === location.origin) {
      request.headers["X-CSRFToken"] = place.dataset.csrf;
    }
    return request;
  },
});
